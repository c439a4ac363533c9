//! What must be the same of a queue and its reference: after each step, when all that was owed has
//! been delivered, and when all clients have left.

use proptest::prelude::*;
use pushlane::storage::Storage;
use pushlane::{Batch, ClientKey, Lease};

use super::drive::{Agreed, Pair};
use super::kinds::Kind;
use super::ops::{End, Op};
use super::reference::Reference;

impl<K: Kind, S: Storage> Pair<'_, K, S> {
    /// Every other tracker stops at the first client that is missing.
    fn agree_on_tracker(&mut self, place: usize) -> Agreed {
        let (tracker, recipients) = &mut self.trackers[place];
        let before: Vec<ClientKey> = tracker.missing().to_vec();
        let is_done = if place.is_multiple_of(2) { tracker.refresh() } else { tracker.advance() };
        let missing = tracker.missing();
        prop_assert_eq!(is_done, missing.is_empty());
        prop_assert_eq!(tracker.completed() + tracker.left() + missing.len(), *recipients);
        for key in self.reference.owing(place) {
            prop_assert!(missing.contains(key), "{key} still owes {:?}", tracker.versions());
        }
        for key in missing {
            prop_assert!(before.contains(key), "{key} had got {:?}", tracker.versions());
            let is_last = missing.last() == Some(key);
            if place.is_multiple_of(2) || is_last {
                let mut laggards = self.queue.laggards(tracker.versions());
                prop_assert!(laggards.any(|laggard| laggard == *key), "{key} is no laggard");
            }
        }
        let gone = self.keys.iter().filter(|key| !self.reference.is_registered(**key)).count();
        prop_assert!(tracker.left() <= gone, "{tracker:?}, and only {gone} are gone");
        Ok(())
    }

    /// The queue answers every question as the reference does.
    pub(crate) fn agree(&mut self) -> Agreed {
        (0..self.trackers.len()).try_for_each(|place| self.agree_on_tracker(place))?;
        let (queue, reference) = (self.queue, &self.reference);
        prop_assert_eq!(queue.capacity(), reference.capacity);
        prop_assert_eq!(queue.clients(), reference.places());
        prop_assert_eq!((queue.permits_held(), queue.permits()), (reference.held, reference.limit));
        prop_assert_eq!(queue.is_closed(), reference.closed);
        prop_assert_eq!(queue.is_drained(), reference.is_drained());
        for key in &self.keys {
            prop_assert_eq!(queue.is_registered(*key), reference.is_registered(*key), "{}", key);
        }
        for lease in &self.leases {
            let key = lease.key();
            prop_assert_eq!(lease.is_superseded(), reference.is_superseded(key), "{}", key);
            let content = &reference.push(key).content;
            prop_assert!(K::is_merge_of(lease.request(), content), "changed while leased");
        }
        for (key, payload) in self.batches.iter().flat_map(Batch::iter) {
            let content = &reference.push(key).content;
            prop_assert!(K::is_merge_of(payload, content), "changed while leased");
        }
        (0..self.versions.len()).try_for_each(|version| self.agree_on_convergence(version))
    }

    fn agree_on_convergence(&self, place: usize) -> Agreed {
        let (one, version) = &self.versions[place];
        let laggards: Vec<ClientKey> = self.queue.laggards(version).collect();
        if let Some(one) = *one {
            prop_assert!(self.queue.laggards(one).eq(laggards.iter().copied()));
            prop_assert_eq!(self.queue.is_converged(one), laggards.is_empty());
        }
        prop_assert!(laggards.is_sorted_by_key(|key| key.index()), "{laggards:?}");
        prop_assert_eq!(self.queue.is_converged(version), laggards.is_empty());
        let owing = self.reference.owing(place);
        for key in owing {
            prop_assert!(laggards.contains(key), "{:?} converged early: {} owes it", version, key);
        }
        for key in laggards.iter().filter(|key| !owing.contains(key)) {
            let excused = self.reference.may_be_late(place, *key);
            prop_assert!(excused, "{:?} is held back by {}, which doesn't owe it", version, key);
        }
        Ok(())
    }

    /// With permits for all, each client gets what it is owed, and every version converges.
    pub(crate) fn drain(&mut self) -> Agreed {
        while !self.leases.is_empty() {
            self.end(0, Reference::complete, Lease::complete);
        }
        while let Some(batch) = self.batches.pop() {
            self.end_batch(batch, End::Complete);
        }
        self.reference.held -= self.permits.len();
        self.permits.clear();
        self.apply(&Op::SetLimit(1))?;
        while self.lease()? {
            self.end(0, Reference::complete, Lease::complete);
        }
        self.agree()?;
        prop_assert_eq!(self.queue.permits_held(), 0);
        for (_, version) in &self.versions {
            prop_assert!(self.queue.is_converged(version), "{version:?} hangs");
        }
        for (tracker, recipients) in &mut self.trackers {
            prop_assert!(tracker.advance(), "{tracker:?} of {recipients} hangs");
        }
        self.apply(&Op::Close)?;
        prop_assert!(self.queue.is_drained());
        Ok(())
    }

    /// When all clients have left, nothing of them stays.
    pub(crate) fn leave(&mut self) -> Agreed {
        self.reference.registered().into_iter().try_for_each(|key| self.unregister(key))?;
        prop_assert_eq!(self.queue.clients(), 0);
        let kept = self.requests.iter().filter(|request| request.strong_count() > 0).count();
        prop_assert_eq!(kept, 0, "requests of departed clients are kept in memory");
        Ok(())
    }
}
