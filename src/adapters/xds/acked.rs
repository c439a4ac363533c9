//! [`Published`], and waiting until everybody it concerns has acknowledged it.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::prelude::v1::*;
use std::sync::Arc;

use super::resource::{Name, TypeUrl};
use super::state::ServerState;
use super::status::{StreamId, StreamInfo};
use super::store::Changed;
use super::subscription::Interest;
use super::view::ViewId;
use crate::registry::ClientKey;
use crate::versions::VersionSet;

/// A change that has been published: what [`Ads::set`](super::Ads::set) and
/// [`Ads::update`](super::Ads::update) return. Ask with it who has it.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Resource, TypeUrl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder().start();
/// let web = Resource::hashed(TypeUrl::LISTENER, "web", b"\x0a\x03web".to_vec());
/// let published = ads.set("default", [web.clone()])?;
/// assert!(published.changed().any(|(_, name)| name == "web"));
/// assert_eq!(ads.laggards(&published).len(), 0, "nobody is connected");
/// assert!(ads.set("default", [web])?.is_empty(), "nothing has changed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Published {
    pub(super) view: ViewId,
    pub(super) revision: u64,
    pub(super) changed: Arc<Changed>,
    pub(super) versions: VersionSet,
    /// The view had never been set: it is news to every type.
    pub(super) first: bool,
}

impl Published {
    /// The view that was changed.
    pub fn view(&self) -> &ViewId {
        &self.view
    }

    /// The view's revision since: it is the version of state-of-the-world responses that contain
    /// it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What has changed, by type and name.
    pub fn changed(&self) -> impl Iterator<Item = (&TypeUrl, &str)> {
        let types = self.changed.iter();
        types.flat_map(|(type_url, names)| names.iter().map(move |name| (type_url, &**name)))
    }

    /// Whether nothing has changed: it was set to what it was.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    fn names(&self, view: &ViewId, type_url: &TypeUrl) -> Option<&BTreeSet<Name>> {
        self.changed.get(type_url).filter(|_| *view == self.view)
    }
}

/// Everybody has acknowledged.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Acked {
    /// Who left before it had answered, as far as it is remembered.
    pub departed: Vec<Arc<Departure>>,
}

/// Everybody has answered, and somebody has rejected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rejected {
    /// Who, what and why. At least one.
    pub nacks: Vec<Arc<Nack>>,
    /// Who left before it had answered, as far as it is remembered.
    pub departed: Vec<Arc<Departure>>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.nacks.first().map(|nack| format!("{nack}")).unwrap_or_default();
        write!(f, "{first}")?;
        match self.nacks.len() {
            0 | 1 => Ok(()),
            more => write!(f, "; and {} more", more - 1),
        }
    }
}

impl core::error::Error for Rejected {}

/// A response that a client has rejected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Nack {
    /// The stream.
    pub stream: StreamId,
    /// The client's identifier.
    pub node_id: String,
    /// What it is served from.
    pub view: ViewId,
    /// The type.
    pub type_url: TypeUrl,
    /// The revision of the response.
    pub revision: u64,
    /// What is wrong, in the client's words.
    pub reason: String,
    /// The client's gRPC status code.
    pub code: i32,
    /// What it won't be sent again until it changes: names and versions.
    pub resources: Vec<(Name, String)>,
    /// What had changed up to this revision it had accepted or rejected before.
    pub(super) after: u64,
}

impl fmt::Display for Nack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Nack { node_id, revision, reason, .. } = self;
        write!(f, "{node_id} rejects {} of revision {revision}: {reason}", self.type_url.short())
    }
}

/// A client that has left while something was still to be sent to it or answered by it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Departure {
    /// The stream.
    pub stream: StreamId,
    /// The client's identifier.
    pub node_id: String,
    /// What it was served from.
    pub view: ViewId,
    /// Why it is gone.
    pub reason: String,
    /// By type: up to which revision it had answered, and what it was subscribed to.
    pub(super) owed: Vec<(TypeUrl, u64, Option<Interest>)>,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has left: {}", self.node_id, self.reason)
    }
}

/// A client that holds a change back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Laggard {
    /// The stream.
    pub stream: StreamId,
    /// The client's identifier.
    pub node_id: String,
    /// The type that it hasn't acknowledged.
    pub type_url: TypeUrl,
}

fn laggard(info: &StreamInfo, type_url: TypeUrl) -> Laggard {
    Laggard { stream: info.id, node_id: info.node_id(), type_url }
}

impl ServerState {
    /// The clients of the queue that hold a change back, and whose they are.
    fn late<'a>(
        &'a self,
        published: &'a Published,
    ) -> impl Iterator<Item = (ClientKey, Arc<StreamInfo>, TypeUrl)> + 'a {
        self.queue.laggards(&published.versions).filter_map(|key| {
            let (info, type_url) = self.whose(key)?;
            // Topics may collide: a client of another view or type is not concerned.
            let mine = info.view().is_some_and(|view| view == published.view);
            let concerned = published.first || published.changed.contains_key(&type_url);
            (mine && concerned).then_some((key, info, type_url))
        })
    }

    pub(super) fn is_answered(&self, published: &Published) -> bool {
        self.late(published).next().is_none()
    }

    pub(super) fn laggards(&self, published: &Published) -> Vec<Laggard> {
        // Of several versions, each of its clients once.
        let late: BTreeMap<_, _> =
            self.late(published).map(|(key, info, type_url)| (key, (info, type_url))).collect();
        late.into_values().map(|(info, type_url)| laggard(&info, type_url)).collect()
    }

    pub(super) fn behind(&self) -> Vec<Laggard> {
        let keys = self.queue.laggards(self.queue.barrier());
        let whose = keys.filter_map(|key| self.whose(key));
        whose.map(|(info, type_url)| laggard(&info, type_url)).collect()
    }

    pub(super) async fn wait_acked(&self, published: &Published) -> Result<Acked, Rejected> {
        self.queue.signal().until(|| self.is_answered(published)).await;
        let departed = ServerState::recall(&self.departures, |departure| {
            departure.owed.iter().any(|(type_url, answered, interest)| {
                let names = published.names(&departure.view, type_url);
                *answered < published.revision
                    && names.is_some_and(|names| match interest {
                        Some(interest) => names.iter().any(|name| interest.covers(name)),
                        None => true,
                    })
            })
        });
        let nacks = ServerState::recall(&self.nacks, |nack| {
            let names = published.names(&nack.view, &nack.type_url);
            (nack.after < published.revision && published.revision <= nack.revision)
                && names.is_some_and(|names| {
                    nack.resources.iter().any(|(name, _)| names.contains(name))
                })
        });
        if nacks.is_empty() { Ok(Acked { departed }) } else { Err(Rejected { nacks, departed }) }
    }
}
