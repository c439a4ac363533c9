//! Expanding a fan-out on demand: workers make the marks that its publisher left to them.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::convergence::Seq;
use crate::fan_out::GROUP;
use crate::ready::ReadySet;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, slots};
use crate::storage::Storage;
use crate::sync::Ordering;

/// After how many claims a group of banks is expanded although there is something else to serve.
const CLAIMS_BETWEEN: usize = 16;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Whether the fan-out of this lane may have banks that a worker can visit.
    #[inline]
    pub(super) fn is_expanding(&self, lane: Lane) -> bool {
        // Where a backlog records, every fan-out was made by its publisher.
        B::ON_DEMAND && self.fan_out(lane).remains()
    }

    /// Expands groups of banks of each lane now and then, so that clients that are marked one by
    /// one don't starve a fan-out. (Nor does it starve them: what is expanded takes its turn in the
    /// ready set.) Called for each claim while a fan-out has groups left.
    pub(super) fn expand_if_due(&self) {
        // Relaxed: it only decides the order of service.
        if self.claims_since_expand.fetch_add(1, Ordering::Relaxed) < CLAIMS_BETWEEN {
            return;
        }
        self.claims_since_expand.store(0, Ordering::Relaxed);
        for lane in Lane::BOTH {
            if self.is_expanding(lane)
                && let Some(ready) = self.expand(lane)
            {
                self.signal.ready(ready);
            }
        }
    }

    /// Visits the next group of banks of a fan-out, and marks the live clients there. How many of
    /// them became ready; `None`: there was no group to visit.
    ///
    /// The clients were hidden during the visit, so workers that looked in vain must be notified.
    /// The caller does that, unless it serves one itself.
    pub(super) fn expand(&self, lane: Lane) -> Option<usize> {
        let fan_out = self.fan_out(lane);
        let group = fan_out.begin()?;
        let first = group * GROUP;
        // After the visit has begun: the number is at least that of each publisher it is made for.
        let newest = fan_out.newest();
        let (mut banks, mut ready) = (0, 0);
        for bank in first..self.banks().len().min(first + GROUP) {
            let slots = self.mark_needy(bank, lane, newest);
            banks |= usize::from(slots != 0) << (bank - first);
            ready += slots.count_ones() as usize;
        }
        if banks != 0 {
            self.lane_queue(lane).set.insert_many(first, banks);
        }
        // Only now: a worker that finds no visit pending must find the clients.
        fan_out.end();
        // A client that came too late to be marked held versions back until now.
        self.signal.progress();
        Some(ready)
    }

    /// Marks the live clients of a bank, except those whose last push contains `newest`. The slots
    /// that became ready.
    ///
    /// A bank is exchanged even if no slot needs a mark: a client admitted later sees by that what
    /// the publisher wrote.
    fn mark_needy(&self, bank: usize, lane: Lane, newest: Seq) -> usize {
        let word = &self.banks()[bank];
        loop {
            let seen = word.load();
            let begun = |slot| self.progress(bank).has_begun(slot, newest);
            let spared = where_each(seen.live(), begun);
            // If a slot changed since `seen`, the exchange fails and we look again.
            if let Some(marked) = word.try_mark(seen, ALL & !spared, lane) {
                return marked.ready;
            }
        }
    }

    /// The most urgent lane of a lease claimed through `lane`. It contains an urgent publish on
    /// demand also if its client has not been marked for it yet.
    ///
    /// Called after the lease has read its number, and before it records that it has begun: an
    /// urgent publish up to that number is pending here, or its visit has ended and has marked the
    /// client.
    #[inline]
    pub(super) fn most_urgent(&self, place: Place, lane: Lane) -> Lane {
        if lane == Lane::Urgent || !self.is_expanding(Lane::Urgent) {
            return lane; // the mark says it
        }
        self.most_urgent_owed(place, lane)
    }

    #[cold]
    fn most_urgent_owed(&self, place: Place, lane: Lane) -> Lane {
        let fan_out = self.fan_out(Lane::Urgent);
        // In this order: what is pending has told its number.
        let is_owed = fan_out.is_pending()
            && !self.progress(place.bank).has_completed(place.slot, fan_out.newest());
        if is_owed { Lane::Urgent } else { lane }
    }

    /// The most urgent lane of a publish to everyone that came after `seen` and may not be marked
    /// yet.
    pub(super) fn behind_fan_out(&self, seen: Seq) -> Option<Lane> {
        let is_owed = |lane| {
            let fan_out = self.fan_out(lane);
            fan_out.is_pending() && fan_out.newest().cmp(seen).is_gt()
        };
        Lane::BOTH.into_iter().find(|&lane| B::ON_DEMAND && is_owed(lane))
    }

    /// Whether every client that a publish on demand concerns has been marked, or needs no mark. If
    /// it returns `true`, a publisher that raises later finds the queue closed, as the caller has.
    pub(super) fn is_expanded(&self, lane: Lane) -> bool {
        let fan_out = self.fan_out(lane);
        if !B::ON_DEMAND || !fan_out.is_pending_or_seen() {
            return true;
        }
        let newest = fan_out.newest();
        self.banks().iter().enumerate().all(|(bank, word)| {
            let live = word.load().live();
            where_each(live, |slot| self.progress(bank).has_completed(slot, newest)) == live
        })
    }
}

/// The slots of a mask that fulfil a condition.
pub(super) fn where_each(mask: usize, condition: impl Fn(usize) -> bool) -> usize {
    slots(mask).filter(|&slot| condition(slot)).fold(0, |all, slot| all | 1 << slot)
}

#[cfg(all(test, feature = "async", not(loom)))]
impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// As if so many threads were paused in visits that no other can begin one, though some remain.
    pub(crate) fn pause_as_many_visits_as_can_be(&self, lane: Lane) {
        let fan_out = self.fan_out(lane);
        loop {
            fan_out.raise(self.convergence.newest());
            if fan_out.begin().is_none() {
                return;
            }
        }
    }
}

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;
    use crate::backlog::Dirty;
    use crate::config::Config;
    use crate::queue::Target;

    #[test]
    fn a_client_whose_push_contains_the_publish_is_not_marked() {
        let queue = PushQueue::<Dirty>::new(Config::new(2));
        let [client, _] = [(); 2].map(|()| queue.register().unwrap());
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let lease = queue.try_lease().unwrap();
        let newest = queue.convergence.newest();
        assert_eq!(queue.mark_needy(0, Lane::Normal, newest), 0b10);
        lease.complete();
        assert_eq!(queue.mark_needy(0, Lane::Normal, newest), 0, "the other one is marked");
        assert_eq!(queue.waiting(), 1);
    }

    /// A worker is paused in a visit: it keeps the clients of its group for itself, and no others.
    #[test]
    fn a_worker_that_is_paused_in_a_visit_ends_no_other() {
        let queue = PushQueue::<Dirty>::new(Config::new(1));
        queue.register().unwrap();
        let fan_out = queue.fan_out(Lane::Normal);
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        assert_eq!(fan_out.begin(), Some(0));
        queue.mark_needy(0, Lane::Normal, fan_out.newest());
        for _ in 0..70_000 {
            let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
            // Marked already, by the worker that has not put the bank into the ready set.
            assert!(queue.expand(Lane::Normal).is_some() && !queue.is_converged(version));
        }
        let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        assert_eq!(fan_out.begin(), Some(0));
        queue.lane_queue(Lane::Normal).set.insert(0);
        fan_out.end(); // the first visit
        assert!(!queue.is_converged(version));
        queue.mark_needy(0, Lane::Normal, fan_out.newest());
        fan_out.end();
        queue.try_lease().expect("marked").complete();
        assert!(queue.is_converged(version));
    }

    /// Not at once, which would cost each claim a group of banks; and not after everything else,
    /// which may never be.
    #[test]
    fn a_fan_out_is_expanded_beside_other_work_now_and_then() {
        let queue = PushQueue::<Dirty>::new(Config::new(20));
        let clients: std::vec::Vec<_> = (0..20).map(|_| queue.register().unwrap()).collect();
        let publish = |target| queue.publish(target, Lane::Normal, ()).unwrap();
        for _ in 0..2 {
            publish(Target::Everyone);
            for claims in 0..CLAIMS_BETWEEN {
                publish(Target::One(clients[0]));
                assert_eq!(queue.waiting(), 1, "nobody else is marked after {claims} claims");
                let lease = queue.try_lease().unwrap();
                assert_eq!(lease.key(), clients[0]);
                lease.complete();
            }
            publish(Target::One(clients[0]));
            queue.try_lease().unwrap().complete();
            assert_eq!(queue.waiting(), 19, "now they are, and the next one is served");
            while let Some(lease) = queue.try_lease() {
                lease.complete();
            }
        }
    }
}
