//! What can be refused, and why. An error about a request gives the request back.

use core::error::Error;
use core::fmt;

use crate::topics::Topic;

/// The key's client has left, or has been evicted.
///
/// A key of another queue is stale too, unless a client of this queue has the same place and the
/// same generation. A key doesn't know its queue: don't mix the keys of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is not registered any more")
    }
}

impl Error for Stale {}

/// Why a client could not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// Every place is taken.
    Full,
    /// The queue has been closed.
    Closed,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RegisterError::Full => "every place of the queue is taken",
            RegisterError::Closed => "the queue is closed",
        })
    }
}

impl Error for RegisterError {}

/// Why a subscription could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The client is not registered any more.
    Stale,
    /// The queue was made with fewer topics.
    UnknownTopic(Topic),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscribeError::Stale => Stale.fmt(f),
            SubscribeError::UnknownTopic(topic) => write!(f, "the queue has no {topic}"),
        }
    }
}

impl Error for SubscribeError {}

/// A publish that was refused, with the request that was not published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublishError<R> {
    /// Why.
    pub kind: PublishErrorKind,
    /// What was to be published. With the `Journal` it may be "everything" instead: if the queue
    /// was closed or the client left while the publish was under way, and so many others came
    /// meanwhile that the request was gone from the ring.
    pub request: R,
}

/// Why a publish was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The queue has been closed. If that happened while the publish was under way, clients may be
    /// pushed to on its account all the same.
    Closed,
    /// The target client is not registered any more.
    Stale,
    /// The queue was made with fewer topics; no client was published to.
    UnknownTopic(Topic),
}

impl fmt::Display for PublishErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishErrorKind::Closed => f.write_str("the queue is closed"),
            PublishErrorKind::Stale => Stale.fmt(f),
            PublishErrorKind::UnknownTopic(topic) => write!(f, "the queue has no {topic}"),
        }
    }
}

impl<R> fmt::Debug for PublishError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<R> fmt::Display for PublishError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<R> Error for PublishError<R> {}
