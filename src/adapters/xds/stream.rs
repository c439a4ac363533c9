//! One stream: a task that owns its subscriptions, and sends when the queue says that it is its turn.

use core::pin::pin;
use core::time::Duration;
use std::collections::HashMap;
use std::format;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::select;
use ::tokio::sync::{mpsc, watch};
use ::tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::acked::{Departure, Nack};
use super::change::Change;
use super::connection::Connection;
use super::hub::{Hub, Phase, PushLease, Route};
use super::identity::Identity;
use super::order::{self, Standing};
use super::outbound::Outbound;
use super::resource::{Name, TypeUrl};
use super::status::{NackStatus, StreamInfo};
use super::store::View;
use super::subscription::{Answered, Due, Moved, Received, Subscription, Unsent};
use super::view::Snapshot;
use super::wire::Wire;
use crate::backlog::ChangeSet;
use crate::error::RegisterError;
use crate::queue::Target;
use crate::registry::ClientKey;
use crate::slot::Lane;
use crate::topics::Topic;

/// Why a stream ends.
pub(super) enum End {
    /// The client has closed it, or its connection is gone.
    Left,
    /// The server ends it in good order: the client may come back at once.
    Closing,
    /// The server is being drained.
    Stopped,
    /// A deadline has passed.
    Evicted(String),
    /// A request that can't be accepted.
    Malformed(Status),
}

pub(super) struct Stream {
    hub: Arc<Hub>,
    info: Arc<StreamInfo>,
    identity: Option<Identity>,
    connection: Option<Arc<Connection>>,
    out: Outbound,
    view: Option<Arc<View>>,
    /// In the order in which they are sent.
    types: Vec<Entry>,
    leases: mpsc::UnboundedReceiver<PushLease>,
    routed: mpsc::UnboundedSender<PushLease>,
    nonces: u64,
}

/// A subscription and its place in the queue.
struct Entry {
    rank: u8,
    subscription: Subscription,
    key: ClientKey,
    /// How many of its names each topic stands for.
    topics: HashMap<Topic, u32>,
    push: Push,
}

/// The push of one type that is in progress.
enum Push {
    None,
    /// It waits for other types, or has just come.
    Held {
        lease: PushLease,
        since: Option<Instant>,
    },
    /// It waits for the answer.
    Sent {
        lease: PushLease,
        at: Instant,
        incomplete: bool,
    },
}

impl Stream {
    pub(super) fn new(
        hub: Arc<Hub>,
        info: Arc<StreamInfo>,
        identity: Option<Identity>,
        connection: Option<Arc<Connection>>,
        out: Outbound,
    ) -> Self {
        let (routed, leases) = mpsc::unbounded_channel();
        let (view, types, nonces) = (None, Vec::new(), 0);
        Stream { hub, info, identity, connection, out, view, types, leases, routed, nonces }
    }

    pub(super) async fn run<W: Wire>(mut self, requests: tonic::Streaming<W::Request>) {
        let end = self.serve::<W>(requests).await;
        let counters = &self.hub.counters;
        let (reason, result) = match end {
            End::Left => ("it closed its stream".into(), Ok(())),
            // An orderly end: a client that has been served comes back without waiting.
            End::Closing => ("its connection has reached its age".into(), Ok(())),
            End::Stopped => {
                ("the server has ended".into(), Err(Status::unavailable("the server is ending")))
            }
            End::Evicted(reason) => {
                counters.evicted.one();
                if let Some(connection) = &self.connection {
                    connection.evicted();
                }
                (reason.clone(), Err(Status::deadline_exceeded(reason)))
            }
            End::Malformed(status) => {
                counters.malformed.one();
                (status.message().into(), Err(status))
            }
        };
        self.depart(reason);
        self.out.end(result);
    }

    async fn serve<W: Wire>(&mut self, mut requests: tonic::Streaming<W::Request>) -> End {
        let mut phase = self.hub.phase.subscribe();
        let mut closing = self.connection.as_ref().map(|connection| connection.closing());
        let mut timer = pin!(sleep_until(self.info.since + self.hub.limits.first_request));
        loop {
            let deadline = self.deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            select! {
                _ = phase.wait_for(|phase| *phase == Phase::Stopped) => return End::Stopped,
                () = closed(&mut closing) => return End::Closing,
                () = self.out.gone() => return End::Left,
                lease = self.leases.recv() => self.granted(lease),
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        if let Err(status) = self.request::<W>(request) {
                            return End::Malformed(status);
                        }
                    }
                    Ok(None) => return End::Left,
                    Err(status) => match unreadable(status) {
                        Some(status) => return End::Malformed(status),
                        None => return End::Left,
                    },
                },
                () = timer.as_mut() => {
                    if let Some(reason) = self.expired() {
                        return End::Evicted(reason);
                    }
                }
            }
            self.pump();
        }
    }

    fn request<W: Wire>(&mut self, mut request: W::Request) -> Result<(), Status> {
        self.hub.counters.requests.one();
        let node = W::node(&mut request);
        if self.view.is_none() {
            let node =
                node.ok_or_else(|| Status::invalid_argument("the first request has no node"))?;
            let view = (self.hub.views)(&node, self.identity.as_ref()).ok_or_else(|| {
                Status::permission_denied(format!("node {:?} belongs to no view", node.id))
            })?;
            self.view = Some(self.hub.store.view(&view));
            let _ = self.info.node.set((node, view));
        }
        let longest = self.hub.limits.name_bytes;
        let type_url = W::type_url(&request);
        if type_url.is_empty() {
            return Err(Status::invalid_argument("the request has no type_url"));
        }
        let too_long = W::names(&request).chain([type_url]).find(|name| name.len() > longest);
        if let Some(name) = too_long {
            let head: String = name.chars().take(32).collect();
            return Err(Status::invalid_argument(format!(
                "a name of {} bytes, {head:?}...: {longest} are allowed",
                name.len()
            )));
        }
        let at = self.entry::<W>(type_url)?;
        let before = self.subscriptions();
        let entry = &mut self.types[at];
        let Some(received) = W::read(&mut entry.subscription, &request) else {
            self.hub.counters.stale.one();
            return Ok(());
        };
        let (now, most) = (self.subscriptions(), self.hub.limits.subscriptions);
        if now > most && now > before {
            return Err(Status::resource_exhausted(format!(
                "the stream subscribes to {now} names: {most} are allowed"
            )));
        }
        self.received(at, received);
        Ok(())
    }

    fn subscriptions(&self) -> usize {
        self.types.iter().map(|entry| entry.subscription.interest.names.len()).sum()
    }

    /// Where the type's subscription is; a new one if it is the first request for it.
    fn entry<W: Wire>(&mut self, type_url: &str) -> Result<usize, Status> {
        if let Some(at) =
            self.types.iter().position(|entry| *entry.subscription.type_url == *type_url)
        {
            return Ok(at);
        }
        let most = self.hub.limits.types;
        if self.types.len() >= most {
            return Err(Status::resource_exhausted(format!(
                "{most} types are allowed on a stream"
            )));
        }
        // Registered first, subscribed then, and only then is the snapshot read.
        let key = self.hub.queue.register().map_err(|error| match error {
            RegisterError::Full => Status::resource_exhausted("the server is full"),
            RegisterError::Closed => Status::unavailable("the server is being drained"),
        })?;
        let type_url = TypeUrl::from(type_url);
        self.hub.route(Route {
            key,
            leases: self.routed.clone(),
            info: Arc::clone(&self.info),
            type_url: type_url.clone(),
        });
        let rank = order::rank(&type_url);
        let at = self.types.partition_point(|entry| entry.rank <= rank);
        let subscription = Subscription::new(type_url.clone(), W::VARIANT);
        let topics = HashMap::new();
        self.types.insert(at, Entry { rank, subscription, key, topics, push: Push::None });
        if let Some(view) = &self.view {
            let topics = [self.hub.topics.view(&view.id), self.hub.topics.all(&view.id, &type_url)];
            topics.into_iter().for_each(|topic| self.types[at].join(&self.hub, topic));
        }
        Ok(at)
    }

    /// A request has been read into the subscription.
    fn received(&mut self, at: usize, received: Received) {
        let Received { answered, moved, due } = received;
        if let Some(answered) = answered {
            self.answered(at, answered);
        }
        self.moved(at, moved);
        let entry = &self.types[at];
        let interest = &entry.subscription.interest;
        self.info.note(&entry.subscription.type_url, |progress| {
            (progress.wildcard, progress.names) = (interest.wildcard, interest.names.len());
        });
        if due {
            self.types[at].ask(&self.hub, []);
        }
    }

    fn moved(&mut self, at: usize, moved: Moved) {
        let Some(view) = &self.view else { return };
        let (hub, entry) = (&self.hub, &mut self.types[at]);
        let type_url = entry.subscription.type_url.clone();
        let topic = |name: &Name| hub.topics.name(&view.id, &type_url, name);
        moved.added.iter().for_each(|name| entry.join(hub, topic(name)));
        moved.left.iter().for_each(|name| entry.quit(hub, topic(name)));
        let wildcard = hub.topics.wildcard(&view.id, &type_url);
        match moved.wildcard {
            Some(true) => entry.join(hub, wildcard),
            Some(false) => entry.quit(hub, wildcard),
            None => {}
        }
    }

    /// The client has accepted or rejected the type's last response.
    fn answered(&mut self, at: usize, answered: Answered) {
        let entry = &mut self.types[at];
        let Push::Sent { lease, at: sent, incomplete } =
            core::mem::replace(&mut entry.push, Push::None)
        else {
            return;
        };
        let (counters, type_url) = (&self.hub.counters, &entry.subscription.type_url);
        let Answered { after, revision, rejected } = answered;
        counters.ack_micros.add(sent.elapsed().as_micros() as u64);
        let nack = rejected
            .as_ref()
            .map(|(status, _)| NackStatus { revision, reason: status.message.clone() });
        let quarantined = entry.subscription.is_quarantined();
        self.info.note(type_url, |progress| {
            progress.answered = true;
            if nack.is_none() {
                progress.acked = Some(revision);
            }
            if nack.is_some() || !quarantined {
                progress.nack = nack;
            }
        });
        match rejected {
            None => counters.acks.one(),
            Some((status, resources)) => {
                counters.nacks.one();
                let resources = resources
                    .iter()
                    .map(|resource| (resource.shared_name().clone(), resource.version().into()));
                let nack = Nack {
                    stream: self.info.id,
                    node_id: self.info.node_id(),
                    view: self.view.as_ref().map_or_else(|| "".into(), |view| view.id.clone()),
                    type_url: type_url.clone(),
                    revision,
                    reason: status.message,
                    code: status.code,
                    resources: resources.collect(),
                    after,
                };
                // Before the lease ends: whoever waits for that then finds it.
                self.hub.remember(&self.hub.nacks, nack);
            }
        }
        if incomplete {
            lease.requeue();
        } else {
            lease.complete();
        }
    }

    /// The queue says that it is a type's turn.
    fn granted(&mut self, lease: Option<PushLease>) {
        let Some(lease) = lease else { return };
        // A lease of a type whose last push is in progress there can't be.
        if let Some(entry) = self.types.iter_mut().find(|entry| entry.key == lease.key()) {
            entry.push = Push::Held { lease, since: None };
        }
    }

    /// Sends whatever can be sent now, in order.
    fn pump(&mut self) {
        // Each round ends at least one push that is held.
        while self.types.iter().any(|entry| matches!(entry.push, Push::Held { .. })) {
            self.compute();
            let Some(snapshot) = self.view.as_ref().and_then(|view| view.snapshot()) else {
                return self.nothing_to_serve();
            };
            let now = Instant::now();
            let advanced = (0..self.types.len()).any(|at| self.advance(at, &snapshot, now));
            if !advanced {
                return;
            }
        }
    }

    /// Has computed what this stream is to be sent, of all types: which of them is first depends on what changed.
    fn compute(&self) {
        let (Some(compute), Some(view)) = (&self.hub.compute, &self.view) else { return };
        let Some((node, _)) = self.info.node.get() else { return };
        for entry in &self.types {
            let none = ChangeSet::nothing();
            let changes = match &entry.push {
                Push::Held { lease, .. } => &lease.request().keys,
                _ => &none,
            };
            let what = (&entry.subscription.type_url, &entry.subscription.interest);
            view.cache.fill((&self.hub.store, view, &**compute), node, what, changes);
        }
    }

    /// The view has never been set. When it is, everybody is told.
    fn nothing_to_serve(&mut self) {
        for entry in &mut self.types {
            if let Push::Held { .. } = entry.push
                && let Push::Held { lease, .. } = core::mem::replace(&mut entry.push, Push::None)
            {
                lease.complete();
            }
        }
    }

    /// Goes on with the push that a type holds. True: it holds it no more.
    fn advance(&mut self, at: usize, snapshot: &Snapshot, now: Instant) -> bool {
        let entry = &self.types[at];
        let Push::Held { lease, since } = &entry.push else { return false };
        let set = snapshot.of_type(&entry.subscription.type_url);
        // Later changes than those of the lease may count by the time it has waited.
        let hint = Some(&**lease.request())
            .filter(|change| since.is_none() && !change.keys.is_everything());
        let covers = hint.map_or(snapshot.revision, |change: &Change| change.revision);
        let mut due = entry.subscription.due(set, hint);
        let impatient = since.is_some_and(|since| now >= since + self.hub.limits.order_patience);
        if !entry.subscription.tells_removals() {
            let gone = core::mem::take(&mut due.gone);
            self.types[at].subscription.forget(&gone);
        }
        let (news, removals) = (due.has_news(), !due.gone.is_empty());
        if !news && !removals {
            return self.nothing(at, snapshot, covers);
        }
        let others = if impatient { Vec::new() } else { self.standings(at, snapshot) };
        let rank = self.types[at].rank;
        let keep = removals && order::removals_wait(rank, &others);
        if (news && order::news_wait(rank, &others)) || (!news && keep) {
            if let Push::Held { lease, since } = &mut self.types[at].push
                && since.is_none()
            {
                *since = Some(now);
                lease.release_permit();
                self.hub.counters.deferred.one();
            }
            return false;
        }
        self.send(at, snapshot, covers, due, keep, now);
        true
    }

    fn standings(&mut self, but: usize, snapshot: &Snapshot) -> Vec<Standing> {
        let others = self.types.iter_mut().enumerate().filter(|(at, _)| *at != but);
        let standing = others.map(|(_, entry)| {
            let set = snapshot.of_type(&entry.subscription.type_url);
            Standing {
                rank: entry.rank,
                unsent: entry.subscription.unsent(set),
                unanswered: matches!(entry.push, Push::Sent { .. }),
            }
        });
        standing.collect()
    }

    fn nothing(&mut self, at: usize, snapshot: &Snapshot, covers: u64) -> bool {
        let entry = &mut self.types[at];
        let set = snapshot.of_type(&entry.subscription.type_url);
        entry.subscription.looked(set, covers);
        self.hub.counters.nothing.one();
        if let Push::Held { lease, .. } = core::mem::replace(&mut entry.push, Push::None) {
            lease.complete();
        }
        true
    }

    fn send(
        &mut self,
        at: usize,
        snapshot: &Snapshot,
        covers: u64,
        due: Due,
        keep: bool,
        now: Instant,
    ) {
        let rewarmed: Vec<Name> =
            due.changed.iter().filter_map(|resource| resource.endpoints().cloned()).collect();
        self.nonces += 1;
        let entry = &mut self.types[at];
        let set = snapshot.of_type(&entry.subscription.type_url);
        let (revision, nonce) = (snapshot.revision, self.nonces);
        let reply = entry.subscription.compose(set, revision, covers, due, keep, nonce);
        self.hub.counters.pushes.one();
        self.hub.counters.resources.add(reply.resources.len() as u64);
        self.info.note(&entry.subscription.type_url, |progress| {
            progress.sent = Some((revision, now));
            progress.answered = false;
        });
        self.out.send(reply);
        if let Push::Held { mut lease, .. } = core::mem::replace(&mut entry.push, Push::None) {
            lease.release_permit();
            entry.push = Push::Sent { lease, at: now, incomplete: keep };
        }
        self.rewarm(&rewarmed);
    }

    /// A client warms a changed cluster only when it is sent its endpoints once more, changed or not; until then it
    /// doesn't acknowledge the cluster.
    fn rewarm(&mut self, names: &[Name]) {
        let endpoints = |entry: &&mut Entry| *entry.subscription.type_url == *TypeUrl::ENDPOINTS;
        let Some(entry) = self.types.iter_mut().find(endpoints) else { return };
        let repeated: Vec<_> =
            names.iter().filter(|name| entry.subscription.repeat(name)).cloned().collect();
        if !repeated.is_empty() {
            entry.ask(&self.hub, repeated);
        }
    }

    /// When the next deadline passes.
    fn deadline(&self) -> Instant {
        let limits = &self.hub.limits;
        let pushes = self.types.iter().filter_map(|entry| match entry.push {
            Push::Held { since: Some(since), .. } => Some(since + limits.order_patience),
            Push::Sent { at, .. } => Some(at + limits.ack_deadline),
            _ => None,
        });
        let reading = self.out.unread_since().map(|since| since + limits.send_deadline);
        let first = self.view.is_none().then(|| self.info.since + limits.first_request);
        let idle = Instant::now() + IDLE;
        pushes.chain(reading).chain(first).fold(idle, Instant::min)
    }

    /// A deadline may have passed: why the stream is evicted, if it is.
    fn expired(&self) -> Option<String> {
        let (now, limits) = (Instant::now(), &self.hub.limits);
        if self.view.is_none() && now >= self.info.since + limits.first_request {
            return Some(format!("it has sent no request for {:?}", limits.first_request));
        }
        if self.out.unread_since().is_some_and(|since| now >= since + limits.send_deadline) {
            return Some(format!("it has read nothing for {:?}", limits.send_deadline));
        }
        let late = self.types.iter().find(|entry| match entry.push {
            Push::Sent { at, .. } => now >= at + limits.ack_deadline,
            _ => false,
        })?;
        let short = late.subscription.type_url.short();
        Some(format!("it has not answered a response of {short} for {:?}", limits.ack_deadline))
    }

    /// Leaves the queue, and says what it had still to answer.
    fn depart(&mut self, reason: String) {
        let Some(view) = self.view.take() else {
            return self.hub.exit(self.info.id);
        };
        let snapshot = view.snapshot();
        let owing = self.types.iter_mut().filter_map(|entry| {
            let set = snapshot.as_ref()?.of_type(&entry.subscription.type_url);
            let unanswered = entry.subscription.outstanding().is_some();
            (unanswered || entry.subscription.unsent(set) != Unsent::default()).then(|| {
                let covered = entry.subscription.covered();
                let interest = &entry.subscription.interest;
                let few = interest.names.len() <= REMEMBERED;
                (entry.subscription.type_url.clone(), covered, few.then(|| interest.clone()))
            })
        });
        let owed: Vec<_> = owing.collect();
        if !owed.is_empty() {
            let (stream, node_id, view) = (self.info.id, self.info.node_id(), view.id.clone());
            let departure = Departure { stream, node_id, view, reason, owed };
            self.hub.remember(&self.hub.departures, departure);
        }
        for entry in self.types.drain(..) {
            self.hub.leave(entry.key);
        }
        self.hub.store.release(view);
        self.hub.exit(self.info.id);
    }
}

/// Also when the task is dropped half-way.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.view.is_some() {
            self.depart("the server has ended".into());
        }
    }
}

/// Long enough not to matter.
const IDLE: Duration = Duration::from_secs(3_600);

/// With up to how many names a departed subscription is remembered as it was; beyond, it is taken for everything.
const REMEMBERED: usize = 64;

impl Entry {
    fn join(&mut self, hub: &Hub, topic: Topic) {
        let count = self.topics.entry(topic).or_default();
        *count += 1;
        if *count == 1 {
            // The client is this stream's, and the topic is below the number of topics.
            let _ = hub.queue.subscribe(self.key, topic);
        }
    }

    fn quit(&mut self, hub: &Hub, topic: Topic) {
        let Some(count) = self.topics.get_mut(&topic) else { return };
        *count -= 1;
        if *count == 0 {
            self.topics.remove(&topic);
            let _ = hub.queue.unsubscribe(self.key, topic);
        }
    }

    /// Has the client told of something that concerns it alone.
    fn ask(&self, hub: &Hub, names: impl IntoIterator<Item = Name>) {
        let names: Vec<_> = names.into_iter().collect();
        let change = if names.is_empty() {
            Change::all(0)
        } else {
            Change::of(&self.subscription.type_url, names, 0)
        };
        // Refused only when the queue is closed: then the stream ends soon.
        let _ = hub.queue.publish(Target::One(self.key), Lane::Urgent, Arc::new(change));
    }
}

/// Waits until the connection is to be closed.
async fn closed(closing: &mut Option<watch::Receiver<bool>>) {
    match closing {
        Some(closing) => {
            if closing.wait_for(|closing| *closing).await.is_ok() {
                return;
            }
        }
        None => {}
    }
    core::future::pending().await
}

/// Why a request could not be read, if it is the request's fault.
fn unreadable(status: Status) -> Option<Status> {
    use tonic::Code;
    match status.code() {
        // The size limit.
        Code::OutOfRange => Some(Status::resource_exhausted(status.message())),
        Code::Internal if status.message().contains("decode") => {
            Some(Status::invalid_argument(status.message()))
        }
        Code::Unimplemented => Some(status),
        _ => None,
    }
}
