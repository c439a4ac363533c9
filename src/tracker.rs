//! [`Tracker`]: a wait that counts.

use alloc::vec::Vec;
use core::ops::Deref;

use crate::backlog::Backlog;
use crate::queue::{Outcome, PushQueue};
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::storage::Storage;
use crate::version::Version;
use crate::versions::Versions;

/// Follows a publish to its recipients: how many have completed it, how many are gone, who is
/// missing. Made by [`PushQueue::track`].
///
/// It remembers the recipients, in 8 bytes each, and asks about each of them until it is done; so a
/// client that has converged stays so, and a whole wait costs one pass over the recipients, however
/// often the tracker [advances](Tracker::advance).
///
/// What the numbers mean:
///
/// * The recipients are the clients that the version may have concerned and that were registered
///   when the tracker was made; so make it right after the publish. A client that left in between
///   is not among them, and one that came in between counts as completed. Of a version of one
///   client, or a [`VersionSet`](crate::VersionSet) of such versions, the recipients are exactly
///   its clients.
/// * *Completed*: the client has completed a push that contains the publish, or needs none any
///   more.
/// * *Left*: the client is gone, and it is not known that it had completed before that. It is known
///   until its place has passed to another client.
/// * Each recipient is counted once; completed, left and missing add up to the recipients.
#[derive(Debug)]
pub struct Tracker<Q, V = Version> {
    queue: Q,
    versions: V,
    missing: Vec<ClientKey>,
    completed: usize,
    left: usize,
}

impl<Q, V: Versions, B: Backlog, S: Storage, N: Signal> Tracker<Q, V>
where
    Q: Deref<Target = PushQueue<B, S, N>>,
{
    pub(crate) fn new(queue: Q, versions: V) -> Self {
        let mut missing = queue.recipients(&versions);
        // Asked from the end.
        missing.reverse();
        Tracker { queue, versions, missing, completed: 0, left: 0 }
    }

    /// Moves on to the first client that is still missing. True: there is none, all have completed
    /// or are gone.
    ///
    /// Wait-free. Looks at one client more than it moves past. Those behind the one that is missing
    /// are not looked at: the counts say less than they could until it is done, or until
    /// [`refresh`](Tracker::refresh).
    pub fn advance(&mut self) -> bool {
        while let Some(&client) = self.missing.last() {
            match self.queue.outcome(&self.versions, client) {
                Outcome::Missing => return false,
                Outcome::Completed => self.completed += 1,
                Outcome::Left => self.left += 1,
            }
            self.missing.pop();
        }
        true
    }

    /// Asks about every client that is missing, so that the counts are as of now. True: there is
    /// none.
    ///
    /// Wait-free, in time proportional to the clients that are missing.
    pub fn refresh(&mut self) -> bool {
        let Tracker { queue, versions, missing, completed, left } = self;
        missing.retain(|&client| {
            match queue.outcome(versions, client) {
                Outcome::Missing => return true,
                Outcome::Completed => *completed += 1,
                Outcome::Left => *left += 1,
            }
            false
        });
        self.missing.is_empty()
    }
}

impl<Q, V> Tracker<Q, V> {
    /// What is followed.
    pub const fn versions(&self) -> &V {
        &self.versions
    }

    /// How many clients are followed.
    pub const fn recipients(&self) -> usize {
        self.completed + self.left + self.missing.len()
    }

    /// How many clients have completed it, as of the last look.
    pub const fn completed(&self) -> usize {
        self.completed
    }

    /// How many clients are gone, as of the last look.
    pub const fn left(&self) -> usize {
        self.left
    }

    /// The clients that have neither completed it nor left, as of the last look.
    pub fn missing(&self) -> &[ClientKey] {
        &self.missing
    }
}
