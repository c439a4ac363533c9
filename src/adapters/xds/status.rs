//! What can be seen of each client, for an admin page.

use core::fmt;
use core::time::Duration;
use std::net::SocketAddr;
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ::tokio::time::Instant;

use super::mailbox::Mailbox;
use super::proto::{Extension, Node};
use super::resource::TypeUrl;
use super::subscription::Variant;
use super::view::ViewId;

/// Which stream: a number that no other stream of this server has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One stream, as it was at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientStatus {
    /// The stream.
    pub stream: StreamId,
    /// Who it says it is, without its extensions. `None` before its first request.
    pub node: Option<Node>,
    /// What it says that it can load. Clients of one build share the list.
    pub extensions: Arc<[Extension]>,
    /// What it is served from. `None` before its first request.
    pub view: Option<ViewId>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The subject names of its certificate, if it has shown one.
    pub identity: Vec<String>,
    /// The protocol.
    pub variant: Variant,
    /// How long it has been open.
    pub age: Duration,
    /// What it subscribes to.
    pub types: Vec<TypeStatus>,
}

/// A stream's subscription to one type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeStatus {
    /// The type.
    pub type_url: TypeUrl,
    /// Whether all of it is asked for.
    pub wildcard: bool,
    /// How many names are asked for.
    pub names: usize,
    /// The revision that was sent last.
    pub sent: Option<u64>,
    /// The revision that was accepted last.
    pub acked: Option<u64>,
    /// The last rejection, as long as anything that was rejected is kept from the client.
    pub nack: Option<NackStatus>,
    /// For how long the last response has waited for its answer.
    pub outstanding: Option<Duration>,
}

/// A response that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NackStatus {
    /// Its revision.
    pub revision: u64,
    /// The client's reason.
    pub reason: String,
}

/// What is known of a stream, by everybody who asks.
pub(super) struct StreamInfo {
    pub(super) id: StreamId,
    pub(super) peer: Option<SocketAddr>,
    pub(super) identity: Vec<String>,
    pub(super) variant: Variant,
    pub(super) since: Instant,
    pub(super) node: OnceLock<Node>,
    pub(super) extensions: OnceLock<Arc<[Extension]>>,
    view: Mutex<Option<ViewId>>,
    pub(super) mailbox: Mailbox,
    /// Few: a search is as fast as a map, and takes a tenth of the memory.
    types: Mutex<Vec<(TypeUrl, Progress)>>,
}

/// A subscription's progress.
#[derive(Clone, Default)]
pub(super) struct Progress {
    pub(super) wildcard: bool,
    pub(super) names: usize,
    pub(super) sent: Option<(u64, Instant)>,
    pub(super) acked: Option<u64>,
    pub(super) nack: Option<NackStatus>,
    pub(super) answered: bool,
}

impl StreamInfo {
    pub(super) fn new(
        id: StreamId,
        peer: Option<SocketAddr>,
        identity: Vec<String>,
        variant: Variant,
    ) -> Arc<Self> {
        Arc::new(StreamInfo {
            id,
            peer,
            identity,
            variant,
            since: Instant::now(),
            node: OnceLock::new(),
            extensions: OnceLock::new(),
            view: Mutex::default(),
            mailbox: Mailbox::default(),
            types: Mutex::default(),
        })
    }

    pub(super) fn node_id(&self) -> String {
        self.node.get().map(|node| node.id.clone()).unwrap_or_default()
    }

    pub(super) fn view(&self) -> Option<ViewId> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn belongs_to(&self, view: &ViewId) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
    }

    fn types(&self) -> MutexGuard<'_, Vec<(TypeUrl, Progress)>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, type_url: &TypeUrl, note: impl FnOnce(&mut Progress)) {
        let mut types = self.types();
        // Looked for first: usually it is there, and found without comparing text.
        let at = types.iter().position(|(of, _)| of == type_url).unwrap_or_else(|| {
            let at = types.partition_point(|(of, _)| of < type_url);
            types.reserve_exact(1);
            types.insert(at, (type_url.clone(), Progress::default()));
            at
        });
        note(&mut types[at].1);
    }

    pub(super) fn status(&self) -> ClientStatus {
        let types = self.types().clone();
        ClientStatus {
            stream: self.id,
            node: self.node.get().cloned(),
            extensions: self.extensions.get().cloned().unwrap_or_default(),
            view: self.view(),
            peer: self.peer,
            identity: self.identity.clone(),
            variant: self.variant,
            age: self.since.elapsed(),
            types: types
                .into_iter()
                .map(|(type_url, progress)| progress.status(type_url))
                .collect(),
        }
    }
}

impl Progress {
    fn status(self, type_url: TypeUrl) -> TypeStatus {
        let outstanding = self.sent.filter(|_| !self.answered).map(|(_, at)| at.elapsed());
        TypeStatus {
            type_url,
            wildcard: self.wildcard,
            names: self.names,
            sent: self.sent.map(|(revision, _)| revision),
            acked: self.acked,
            nack: self.nack,
            outstanding,
        }
    }
}
