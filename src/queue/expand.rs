//! Expanding a fan-out on demand: the marks that its publisher left to whoever serves.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::convergence::Number;
use crate::fan_out::{FanOut, GROUP};
use crate::ready::ReadySet;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, slots};
use crate::storage::Storage;
use crate::sync::Ordering;

/// After how many claims a group of banks is expanded although there is something else to serve.
const PATIENCE: usize = 16;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Whether the fan-out of this lane may have banks still to be visited.
    #[inline]
    pub(super) fn is_expanding(&self, lane: Lane) -> bool {
        // Where a backlog records, every fan-out was made by its publisher.
        B::ON_DEMAND && self.fan_out(lane).is_pending()
    }

    /// Expands groups of banks of each lane now and then, so that a fan-out is not starved by clients that
    /// are marked one by one. (These are not starved either: what is expanded takes its turn in the ready
    /// set.) Called for each claim while a fan-out has banks still to be visited.
    pub(super) fn expand_if_due(&self) {
        // Relaxed: it only decides the order of service.
        if self.patience.fetch_add(1, Ordering::Relaxed) < PATIENCE {
            return;
        }
        self.patience.store(0, Ordering::Relaxed);
        for lane in Lane::BOTH.into_iter().filter(|&lane| self.is_expanding(lane)) {
            self.expand(lane);
        }
    }

    /// Visits the next group of banks of a fan-out, and marks the live clients there. False: there was none to visit.
    pub(super) fn expand(&self, lane: Lane) -> bool {
        let fan_out = self.fan_out(lane);
        let Some(visit) = fan_out.visit() else { return false };
        let first = visit.group * GROUP;
        let mut ready = 0;
        // After the visit has begun: a publisher that counts on it has raised before.
        let settled = fan_out.settled(|| self.convergence.newest());
        for bank in first..self.banks().len().min(first + GROUP) {
            match self.mark_needy(bank, lane, settled, || fan_out.is_at(visit)) {
                Some(some) => ready |= usize::from(some) << (bank - first),
                None => break,
            }
        }
        if ready != 0 {
            self.line(lane).set.insert_many(first, ready);
        }
        // Only now: if the frontier is past these banks, their clients must be found as well.
        fan_out.end(visit);
        // A client that came too late to be marked held versions back until now.
        self.signal.progress();
        true
    }

    /// Marks the live clients of a bank, except those whose last push contains `settled`. `Some(true)`: some of them
    /// are ready, also if another helper marked them, which may not have put the bank into the ready set yet.
    ///
    /// A bank is exchanged even if nobody in it needs a mark: a client that is admitted later sees by that what the
    /// publisher wrote.
    ///
    /// `None`: another helper has ended the visit. Who was marked in it may have been served since, and a mark
    /// would push to it for nothing.
    fn mark_needy(
        &self,
        bank: usize,
        lane: Lane,
        settled: Option<Number>,
        is_needed: impl Fn() -> bool,
    ) -> Option<bool> {
        let word = &self.banks()[bank];
        loop {
            let seen = word.load();
            let spared = settled.map_or(0, |number| {
                let begun = |slot| self.progress(bank).has_begun(slot, number);
                where_each(seen.live(), begun)
            });
            let needy = ALL & !spared;
            if !is_needed() {
                return None;
            }
            // Whoever was admitted, or claimed, since `seen` makes the exchange fail, and is looked at again.
            if let Some(marked) = word.try_mark(seen, needy, lane) {
                return Some(marked.next.ready(lane) & needy != 0);
            }
        }
    }

    /// The most urgent lane of a lease that was claimed through `lane`: it contains an urgent publish that is
    /// made on demand also if nobody has marked the client for it yet.
    ///
    /// Called after the lease has read its number, and before it says that it has begun: an urgent publish
    /// up to that number is pending here, or its visit has ended and has marked the client.
    #[inline]
    pub(super) fn most_urgent(&self, place: Place, lane: Lane) -> Lane {
        if lane == Lane::Urgent || !self.is_expanding(Lane::Urgent) {
            return lane; // the mark says it
        }
        self.most_urgent_owed(place, lane)
    }

    #[cold]
    fn most_urgent_owed(&self, place: Place, lane: Lane) -> Lane {
        let is_owed = |fan_out: &FanOut| {
            let newest = fan_out.newest_pending(|| self.convergence.newest());
            newest
                .is_some_and(|newest| !self.progress(place.bank).has_completed(place.slot, newest))
        };
        if is_owed(self.fan_out(Lane::Urgent)) { Lane::Urgent } else { lane }
    }

    /// Whether a publish to everyone came after `seen` and may not be marked yet.
    pub(super) fn is_behind_fan_out(&self, seen: Number) -> bool {
        let is_owed = |lane| {
            let newest = self.fan_out(lane).newest_pending(|| self.convergence.newest());
            newest.is_some_and(|newest| newest.cmp(seen).is_gt())
        };
        B::ON_DEMAND && Lane::BOTH.into_iter().any(is_owed)
    }

    /// Whether every client that a publish on demand concerns has been marked, or needs no mark.
    pub(super) fn is_expanded(&self, lane: Lane) -> bool {
        if !B::ON_DEMAND || !self.fan_out(lane).is_pending() {
            return true;
        }
        let settled = self.fan_out(lane).settled(|| self.convergence.newest());
        settled.is_some_and(|number| {
            self.banks().iter().enumerate().all(|(bank, word)| {
                let live = word.load().live();
                where_each(live, |slot| self.progress(bank).has_completed(slot, number)) == live
            })
        })
    }
}

/// The slots of a mask that fulfil a condition.
fn where_each(mask: usize, condition: impl Fn(usize) -> bool) -> usize {
    slots(mask).filter(|&slot| condition(slot)).fold(0, |all, slot| all | 1 << slot)
}

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;
    use crate::backlog::Dirty;
    use crate::config::Config;
    use crate::queue::Target;

    #[test]
    fn a_visit_that_another_helper_has_ended_marks_nobody() {
        let queue = PushQueue::<Dirty>::new(Config::new(1));
        queue.register().unwrap();
        assert_eq!(queue.mark_needy(0, Lane::Normal, None, || false), None);
        assert_eq!(queue.waiting(), 0);
        assert_eq!(queue.mark_needy(0, Lane::Normal, None, || true), Some(true));
        assert_eq!(queue.waiting(), 1);
    }

    #[test]
    fn a_client_that_is_claimed_in_the_middle_of_its_visit_is_looked_at_again() {
        let queue = PushQueue::<Dirty>::new(Config::new(1));
        let client = queue.register().unwrap();
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        let settled = Some(queue.convergence.newest());
        let lease = core::cell::OnceCell::new();
        let marked = queue.mark_needy(0, Lane::Normal, settled, || {
            lease.get_or_init(|| queue.try_lease().unwrap());
            true
        });
        assert_eq!(marked, Some(false));
        lease.into_inner().unwrap().complete();
        assert_eq!(queue.waiting(), 0, "its push contained it");
    }

    /// Not at once, which would cost each claim a group of banks; and not after everything else, which may
    /// never be.
    #[test]
    fn a_fan_out_is_expanded_beside_other_work_now_and_then() {
        let queue = PushQueue::<Dirty>::new(Config::new(20));
        let clients: std::vec::Vec<_> = (0..20).map(|_| queue.register().unwrap()).collect();
        let publish = |target| queue.publish(target, Lane::Normal, ()).unwrap();
        for _ in 0..2 {
            publish(Target::Everyone);
            for claims in 0..PATIENCE {
                publish(Target::One(clients[0]));
                assert_eq!(queue.waiting(), 1, "nobody else is marked after {claims} claims");
                let lease = queue.try_lease().unwrap();
                assert_eq!(lease.key(), clients[0]);
                lease.complete();
            }
            publish(Target::One(clients[0]));
            queue.try_lease().unwrap().complete();
            assert_eq!(queue.waiting(), 19, "now they are; and whoever was next is served");
            while let Some(lease) = queue.try_lease() {
                lease.complete();
            }
        }
    }
}
