//! [`Ads`]: the control plane's end of it.

use core::fmt;
use core::time::Duration;
use std::prelude::v1::*;
use std::sync::Arc;
use std::time::Instant;

use ::tokio::task::JoinHandle;
use ::tokio::time::timeout;

use super::acked::{Acked, Laggard, Published, Rejected};
use super::admission::Admission;
use super::change::Change;
use super::compute::Compute;
use super::event::Event;
use super::identity::Identity;
use super::kinds::{Kind, Kinds};
use super::limits::Limits;
use super::mailbox::Notice;
use super::metrics::Metrics;
use super::proto::Node;
use super::resource::{Name, Resource, TypeUrl};
use super::service::AdsService;
use super::state::{Phase, ServerState, Wishes};
use super::status::{ClientStatus, StreamId};
use super::store::{Applied, Changed, Edit};
use super::topics::Watched;
use super::view::{Snapshot, ViewId};
use crate::slot::Lane;
use crate::versions::VersionSet;

/// The server is being drained: nothing is changed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining;

impl fmt::Display for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is being drained")
    }
}

impl core::error::Error for Draining {}

/// An xDS server: resources go in here, and to the clients through [`service`](Ads::service) or a
/// [`Server`](super::Server). A handle, cheap to clone; when the last one is dropped, every stream
/// ends.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Resource, TypeUrl, ViewId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder().view(|node, _| ViewId::from(&*node.cluster)).start();
/// let web = Resource::new(TypeUrl::LISTENER, "web", "1", b"\x0a\x03web".to_vec());
/// let published = ads.set("edge", [web])?;
/// ads.wait_acked(&published).await?; // nobody is connected: at once
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Ads {
    pub(super) server: Arc<ServerState>,
    pub(super) admission: Arc<Admission>,
    _alive: Arc<Alive>,
}

/// Ends everything when the last handle is dropped.
struct Alive {
    server: Arc<ServerState>,
    dispatcher: JoinHandle<()>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.dispatcher.abort();
        self.server.stop();
    }
}

/// How an [`Ads`] is to be.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Limits, ViewId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut limits = Limits::default();
/// limits.streams = 20_000;
/// let ads = Ads::builder()
///     .limits(limits)
///     // A client without a certificate is turned away.
///     .view(|_node, identity| identity?.names().first().map(|name| ViewId::from(&**name)))
///     .observe(|event| eprintln!("{event:?}"))
///     .start();
/// # assert_eq!(ads.metrics().streams, 0);
/// # }
/// ```
pub struct Builder {
    wishes: Wishes,
}

impl Builder {
    /// What clients may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.wishes.limits = limits;
        self
    }

    /// Which view a client is served from: asked once a stream, and again by [`Ads::review`], with
    /// what the client says who it is, and what it has proved. `None` turns it away with
    /// `PERMISSION_DENIED`. Without this, everybody is served from the view `default`.
    ///
    /// A node is what the client *says* it is. Where views must be kept apart, go by the identity.
    #[must_use]
    pub fn view<V: Into<Option<ViewId>>>(
        mut self,
        view: impl Fn(&Node, Option<&Identity>) -> V + Send + Sync + 'static,
    ) -> Self {
        self.wishes.views = Box::new(move |node, identity| view(node, identity).into());
        self
    }

    /// Resources are made when somebody needs them; see [`Compute`]. [`Ads::set`] and
    /// [`Ads::update`] have no place beside it: what they put in is replaced by what is computed.
    #[must_use]
    pub fn compute(mut self, compute: impl Compute) -> Self {
        self.wishes.compute = Some(Box::new(compute));
        self
    }

    /// Replaces what is known of a type, or adds it; [`Kind`] has the table.
    #[must_use]
    pub fn kind(mut self, type_url: impl Into<TypeUrl>, kind: Kind) -> Self {
        self.wishes.kinds.set(type_url.into(), kind);
        self
    }

    /// Revisions and versions of resources come from a store that other servers serve from too
    /// ([`Edit::at`]). A client that says that it has had a later revision than this server has
    /// [reached](Ads::reached) is sent nothing until then, so that it is not taken back to an older
    /// state when it moves to a server that lags behind. After
    /// [`ack_deadline`](Limits::ack_deadline) its stream ends with `UNAVAILABLE`: another server
    /// may have it.
    ///
    /// An incremental client says which versions it holds, not what was removed. So it can be taken
    /// back if the last change that it had was nothing but a removal.
    #[must_use]
    pub fn shared_revisions(mut self) -> Self {
        self.wishes.shared_revisions = true;
        self
    }

    /// Is told of each [`Event`], for a log. Called where it happens, so it should not wait.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.wishes.observer = Some(Box::new(observer));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one whose time driver is not enabled.
    pub fn start(self) -> Ads {
        drop(::tokio::time::sleep(Duration::ZERO)); // panics here, not in each stream
        let server = ServerState::new(self.wishes);
        let dispatcher = ::tokio::spawn(Arc::clone(&server).dispatch());
        let admission = Arc::new(Admission::new(&server.limits));
        let alive = Arc::new(Alive { server: Arc::clone(&server), dispatcher });
        Ads { server, admission, _alive: alive }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.wishes.limits).finish_non_exhaustive()
    }
}

impl Ads {
    /// One to be described.
    pub fn builder() -> Builder {
        let default = ViewId::from("default");
        let wishes = Wishes {
            limits: Limits::default(),
            views: Box::new(move |_, _| Some(default.clone())),
            compute: None,
            kinds: Kinds::default(),
            observer: None,
            shared_revisions: false,
        };
        Builder { wishes }
    }

    /// Makes `resources` all that the view has: what isn't among them is removed. Of two with the
    /// same type and name the later counts. What is as it was is told to nobody.
    ///
    /// A view that has never been set serves nothing, not even emptiness: its clients wait.
    ///
    /// # Errors
    ///
    /// [`Draining`] after [`drain`](Ads::drain).
    pub fn set(
        &self,
        view: impl Into<ViewId>,
        resources: impl IntoIterator<Item = Resource>,
    ) -> Result<Published, Draining> {
        let mut edit = Edit::default();
        resources.into_iter().for_each(|resource| edit.put(resource));
        self.apply(view.into(), edit, true)
    }

    /// Changes some resources of the view, together.
    ///
    /// # Errors
    ///
    /// [`Draining`] after [`drain`](Ads::drain).
    ///
    /// ```
    /// use pushlane::adapters::xds::{Ads, Resource, TypeUrl};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ads = Ads::builder().start();
    /// let published = ads.update("default", |edit| {
    ///     edit.put(Resource::hashed(TypeUrl::ENDPOINTS, "cart", b"\x0a\x04cart".to_vec()));
    ///     edit.remove(TypeUrl::ENDPOINTS, "basket");
    /// })?;
    /// assert_eq!(published.changed().count(), 1, "there was no basket");
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(
        &self,
        view: impl Into<ViewId>,
        change: impl FnOnce(&mut Edit),
    ) -> Result<Published, Draining> {
        let mut edit = Edit::default();
        change(&mut edit);
        self.apply(view.into(), edit, false)
    }

    fn apply(&self, view: ViewId, edit: Edit, replace: bool) -> Result<Published, Draining> {
        // Held until it is published, so that a client that is told of a revision has been told of
        // all before.
        let mut turn = self.server.begin()?;
        let applied = turn.apply(&view, edit, replace);
        self.published(view, applied)
    }

    /// What these resources are [computed](Compute) from has changed: their subscribers are sent
    /// what they are now, if that is something else. May wait for a computation of the view that is
    /// in progress.
    ///
    /// # Errors
    ///
    /// [`Draining`] after [`drain`](Ads::drain).
    pub fn invalidate<T: Into<TypeUrl>, N: Into<Name>>(
        &self,
        view: impl Into<ViewId>,
        resources: impl IntoIterator<Item = (T, N)>,
    ) -> Result<Published, Draining> {
        let view = view.into();
        let mut changed = Changed::new();
        for (type_url, name) in resources {
            changed.entry(type_url.into()).or_default().insert(name.into());
        }
        // Before it is published, so that a stream that is told computes anew.
        let place = self.server.store.view(&view);
        for (type_url, names) in &changed {
            names.iter().for_each(|name| place.cache.invalidate(type_url, name));
        }
        let published = self.server.begin().and_then(|mut turn| {
            let applied = turn.touch(&view, changed);
            self.published(view, applied)
        });
        self.server.release(place);
        published
    }

    /// Takes a view away. Its clients keep what they have, and are served nothing, not even
    /// emptiness, until the view is set again or they are [moved](Ads::review) to another one.
    /// True: it had been set.
    ///
    /// May wait for a computation of the view that is in progress.
    ///
    /// ```
    /// use pushlane::adapters::xds::{Ads, Resource, TypeUrl};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ads = Ads::builder().start();
    /// ads.set("default", [Resource::hashed(TypeUrl::ENDPOINTS, "cart", b"\x0a\x04cart".to_vec())])?;
    /// assert!(ads.remove_view("default") && ads.views().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_view(&self, view: impl Into<ViewId>) -> bool {
        let Some(view) = self.server.store.find(&view.into()) else { return false };
        let there = view.cache.clear(|| self.server.store.begin().clear(&view));
        self.server.release(view);
        there
    }

    /// Ends a stream in good order: its client may come back at once. On a
    /// [`Server`](super::Server) it comes on another connection, which a balancer may send to
    /// another replica: this one takes no new streams any more (GOAWAY); its other streams stay.
    /// False: there is no such stream any more.
    pub fn disconnect(&self, stream: StreamId) -> bool {
        let info = self.server.stream(stream);
        info.is_some_and(|info| info.mailbox.end(Notice::Disconnected))
    }

    /// Asks the view function anew for every stream: what it goes by has changed. A client that
    /// belongs to another view by now is sent what differs there, on the same stream; one that
    /// belongs to none is turned away with `PERMISSION_DENIED`. Returns at once; the streams do it
    /// one by one.
    pub fn review(&self) {
        self.server.streams().iter().for_each(|info| info.mailbox.review());
    }

    fn published(&self, view: ViewId, applied: Applied) -> Result<Published, Draining> {
        self.server.counters.published.add(u64::from(applied.first || !applied.changed.is_empty()));
        let versions = self.publish(&view, &applied)?;
        let Applied { revision, changed, first, .. } = applied;
        Ok(Published { view, revision, changed: Arc::new(changed), versions, first })
    }

    fn publish(&self, view: &ViewId, applied: &Applied) -> Result<VersionSet, Draining> {
        let (queue, topics) = (&self.server.queue, &self.server.topics);
        if applied.first {
            let everything = Arc::new(Change::all(applied.revision));
            let topic = topics.view(view);
            let lane = Lane::for_audience(topics.members(topic), queue.clients());
            let version = queue.publish(topic, lane, everything).map_err(|_| Draining)?;
            return Ok(version.into());
        }
        let mut versions = VersionSet::new();
        for (type_url, names) in &applied.changed {
            let aliases = applied.aliases.iter().filter(|(of, ..)| of == type_url);
            let known_by = names.iter().chain(aliases.map(|(_, alias, _)| alias));
            let watched: Vec<_> = known_by
                .map(|name| Watched {
                    name: name.clone(),
                    view: view.clone(),
                    type_url: type_url.clone(),
                })
                .collect();
            let clients = self.server.watched.clients_of_any(&watched);
            let wildcard = topics.wildcard(view, type_url);
            let wild = topics.members(wildcard);
            // What concerns few doesn't wait behind what concerns everybody.
            let lane = Lane::for_audience(clients.len() + wild, queue.clients());
            let change = Change::of(type_url, names.iter().cloned(), applied.revision);
            let change = Arc::new(change);
            // Always: a client that joins at this moment may not be counted yet.
            let version = queue.publish(wildcard, lane, Arc::clone(&change));
            versions.join(version.map_err(|_| Draining)?);
            if !clients.is_empty() {
                let version = queue.publish_each(&clients, lane, change).map_err(|_| Draining)?;
                versions.join(version);
            }
        }
        Ok(versions)
    }

    /// Waits until every client that the change concerns has acknowledged it: it, or a later
    /// response that brought it merged with later changes. A client that leaves is not waited for,
    /// and one that rejects has answered as well.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: somebody has rejected a response with one of the resources in it. At most
    /// [`history`](Limits::history) rejections are remembered.
    pub async fn wait_acked(&self, published: &Published) -> Result<Acked, Rejected> {
        self.server.wait_acked(published).await
    }

    /// Whether [`wait_acked`](Ads::wait_acked) would return at once.
    pub fn is_answered(&self, published: &Published) -> bool {
        self.server.is_answered(published)
    }

    /// Who hasn't answered yet.
    pub fn laggards(&self, published: &Published) -> Vec<Laggard> {
        self.server.laggards(published)
    }

    /// Every stream and type to which something is owed at this moment: it is to be sent, or has
    /// not been answered. A stream that has said what it wants and is not among them has answered
    /// all that was published before the call.
    pub fn behind(&self) -> Vec<Laggard> {
        self.server.behind()
    }

    /// All changes of the shared store up to this revision have been made here; a lower one than
    /// before counts for nothing. Without [`Builder::shared_revisions`] nobody waits for it.
    pub fn reached(&self, revision: u64) {
        self.server.reached(revision);
    }

    /// The shared store was asked for its newest revision at or after `asked`, and this was it. A
    /// client that said before `asked` that it has a later one has it from another store, or from
    /// this one before it was restored from a backup: it waits no longer.
    pub fn store_is_at(&self, asked: Instant, revision: u64) {
        self.server.store_is_at(asked, revision);
    }

    /// What the view holds now. `None`: it has never been set.
    pub fn snapshot(&self, view: impl Into<ViewId>) -> Option<Arc<Snapshot>> {
        self.server.store.find(&view.into())?.snapshot()
    }

    /// The views that have been set, or have clients.
    pub fn views(&self) -> Vec<ViewId> {
        self.server.store.ids()
    }

    /// Every stream that is open.
    pub fn clients(&self) -> Vec<ClientStatus> {
        self.server.streams().iter().map(|info| info.status()).collect()
    }

    /// Counters, and the state of the queue.
    pub fn metrics(&self) -> Metrics {
        self.server.metrics()
    }

    /// Changes how many responses may be prepared at once; returns how many it were.
    pub fn set_permits(&self, permits: usize) -> usize {
        self.server.queue.set_permits(permits)
    }

    /// Changes how many streams may be open at once, up to [`Limits::streams`]; returns how many it
    /// were. Those that are open beyond it stay: [`disconnect`](Ads::disconnect) them.
    pub fn set_stream_limit(&self, streams: usize) -> usize {
        self.server.set_stream_limit(streams)
    }

    /// How many streams may be open at once.
    pub fn stream_limit(&self) -> usize {
        self.server.stream_limit()
    }

    /// The limits it was started with.
    pub fn limits(&self) -> &Limits {
        &self.server.limits
    }

    /// The gRPC service, to be mounted in a server of one's own; [`Server`](super::Server) is one
    /// that is ready.
    pub fn service(&self) -> AdsService {
        AdsService::new(self.clone())
    }

    /// Admits no more streams and takes no more changes, waits until all that was published has
    /// been answered or `grace` is over, and ends all streams. True: it was all answered.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.server.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = Phase::Draining;
            }
            serving
        });
        {
            // Not between a change and its publication.
            let _turn = self.server.store.begin();
            self.server.queue.close();
        }
        let answered = timeout(grace, self.server.queue.drained()).await.is_ok();
        self.server.stop();
        answered
    }
}

impl fmt::Debug for Ads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ads").field("views", &self.server.store).finish_non_exhaustive()
    }
}
