//! What came of a wait for a publish.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::ops::Deref;

use super::Waiters;
use crate::backlog::Backlog;
use crate::queue::PushQueue;
use crate::registry::ClientKey;
use crate::storage::Storage;
use crate::tracker::Tracker;
use crate::versions::Versions;

/// Every recipient of a publish has completed it, or is gone. What the numbers mean is said at
/// [`Tracker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// How many clients completed it.
    pub completed: usize,
    /// How many clients left, or were evicted, before they did.
    pub left: usize,
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delivered to {}, {} gone", self.completed, self.left)
    }
}

/// Some recipients of a publish have not completed it in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Laggards {
    /// How many clients completed it.
    pub completed: usize,
    /// How many clients left, or were evicted, before they did.
    pub left: usize,
    /// The clients that have not completed it.
    pub missing: Vec<ClientKey>,
}

impl fmt::Display for Laggards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Laggards { completed, left, missing } = self;
        write!(f, "delivered to {completed}, {left} gone, {} missing", missing.len())
    }
}

impl Error for Laggards {}

/// The last look, when the wait is over.
pub(super) fn look<Q, V, B, S>(mut tracker: Tracker<Q, V>) -> Result<Delivered, Laggards>
where
    Q: Deref<Target = PushQueue<B, S, Waiters>>,
    V: Versions,
    B: Backlog,
    S: Storage,
{
    let is_done = tracker.refresh();
    let (completed, left) = (tracker.completed(), tracker.left());
    if is_done {
        Ok(Delivered { completed, left })
    } else {
        Err(Laggards { completed, left, missing: tracker.missing().to_vec() })
    }
}
