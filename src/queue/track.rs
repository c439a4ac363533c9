//! Following a publish to its recipients, for a [`Tracker`].

use alloc::vec::Vec;
use core::ops::Deref;

use super::PushQueue;
use crate::backlog::Backlog;
use crate::registry::{ClientKey, Place};
use crate::signal::Signal;
use crate::slot::slots;
use crate::storage::Storage;
use crate::tracker::Tracker;
use crate::version::Version;
use crate::versions::Versions;

/// What has become of a publish for one of its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Missing,
    Completed,
    Left,
}

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Follows `version` to its recipients: how many completed it, how many left, who is missing.
    /// Call it right after the publish. See [`Tracker`] for what the numbers mean.
    ///
    /// Wait-free, one pass over the banks that the version concerns. Allocates 8 bytes a recipient.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let clients = [queue.register()?, queue.register()?, queue.register()?];
    /// let version = queue.publish(Target::Everyone, Lane::Normal, ())?;
    /// let mut tracker = queue.track(version);
    /// assert!(!tracker.advance());
    ///
    /// queue.try_lease().expect("ready").complete();
    /// queue.unregister(clients[1])?;
    /// tracker.refresh();
    /// assert_eq!((tracker.completed(), tracker.left()), (1, 1));
    /// assert_eq!(tracker.missing(), [clients[2]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn track<V: Versions>(&self, version: V) -> Tracker<&Self, V> {
        Tracker::new(self, version)
    }

    /// As [`track`](PushQueue::track), for a queue behind an `Arc` or any other handle: the tracker
    /// can be sent to a task or thread that outlives the caller.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(10)));
    /// let client = queue.register()?;
    /// let version = queue.publish(Target::Everyone, Lane::Normal, ())?;
    /// let mut tracker = PushQueue::track_from(Arc::clone(&queue), version);
    /// queue.unregister(client)?;
    /// std::thread::spawn(move || assert!(tracker.advance())).join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn track_from<Q, V>(queue: Q, version: V) -> Tracker<Q, V>
    where
        Q: Deref<Target = Self>,
        V: Versions,
    {
        Tracker::new(queue, version)
    }

    /// The clients that some versions may concern, in the order of their keys.
    pub(crate) fn recipients(&self, what: &impl Versions) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        for version in what.numbered() {
            for bank in self.banks_of(version) {
                let live = self.banks()[bank].load().live();
                let concerned = live & self.concerned(&version.recipients, bank);
                clients
                    .extend(slots(concerned).map(|slot| self.registry.key(Place { bank, slot })));
            }
        }
        clients.extend(what.pushes().iter().map(|push| push.client));
        clients.sort_unstable(); // as a rule they are sorted
        clients.dedup();
        clients
    }

    /// What has become of some versions for one of their recipients.
    pub(crate) fn outcome(&self, what: &impl Versions, client: ClientKey) -> Outcome {
        let Place { bank, slot } = client.place();
        let is_held = |version: &Version| self.held_in(version, bank) & 1 << slot != 0;
        if self.registry.holds(client) {
            let is_missing = versions_for(what, client).any(|version| is_held(&version));
            // The look was at this client only if it is still there.
            if self.registry.holds(client) {
                return if is_missing { Outcome::Missing } else { Outcome::Completed };
            }
        }
        if self.had_completed(what, client) { Outcome::Completed } else { Outcome::Left }
    }

    /// Whether a client that has left is known to have completed some versions before that.
    fn had_completed(&self, what: &impl Versions, client: ClientKey) -> bool {
        let place = client.place();
        if self.registry.seat_of(client).is_none() {
            return false;
        }
        let mut versions = versions_for(what, client);
        versions.all(|version| self.has_delivered(&self.known(version), place))
            // After it: a newcomer reserves the slot before it writes what has been read. A vacant
            // slot and the old key mean that there was none.
            && self.banks()[place.bank].load().vacant() & 1 << place.slot != 0
            && self.registry.key(place) == client
    }
}

/// Those of some versions that may concern a client.
fn versions_for(what: &impl Versions, client: ClientKey) -> impl Iterator<Item = Version> {
    let pushes = what.pushes();
    let push = pushes.binary_search_by_key(&client, |push| push.client);
    what.numbered().iter().copied().chain(push.ok().map(|index| pushes[index].version()))
}
