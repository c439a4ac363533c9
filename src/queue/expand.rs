//! Expanding a fan-out on demand: the marks that its publisher left to whoever serves.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::convergence::Number;
use crate::fan_out::GROUP;
use crate::ready::ReadySet;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, slots};
use crate::storage::Storage;
use crate::sync::Ordering;

/// After how many claims a group of banks is expanded although there is something else to serve.
const PATIENCE: usize = 16;

impl<B: Backlog, S: Storage, R: ReadySet, N: Signal> PushQueue<B, S, R, N> {
    /// Expands a group of banks of each lane now and then, so that a fan-out is not starved by clients
    /// that are marked one by one. (These are not starved either: what is expanded takes its turn in the
    /// ready set.)
    #[inline]
    pub(super) fn expand_if_due(&self) {
        if B::RECORDS {
            return; // every fan-out was made by its publisher
        }
        let due = |lane: &Lane| self.fan_out(*lane).is_pending();
        let mut lanes = [Lane::Urgent, Lane::Normal].into_iter().filter(due).peekable();
        // Relaxed: it only decides the order of service.
        if lanes.peek().is_some() && self.patience.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
            self.patience.store(0, Ordering::Relaxed);
            for lane in lanes {
                self.expand(lane);
            }
        }
    }

    /// Marks the live clients of the next group of banks. False: there was none to visit.
    pub(super) fn expand(&self, lane: Lane) -> bool {
        let fan_out = self.fan_out(lane);
        let Some(visit) = fan_out.visit() else { return false };
        let settled = fan_out.settled(|| self.convergence.newest());
        let first = visit.group * GROUP;
        let mut mask = 0;
        for bank in first..self.banks().len().min(first + GROUP) {
            if self.visit(bank, lane, settled) {
                mask |= 1 << (bank % GROUP);
            }
        }
        if mask != 0 {
            self.line(lane).set.insert_many(first, mask);
        }
        // Only now: whoever finds the frontier past these banks must find their clients as well.
        fan_out.end(visit);
        true
    }

    /// Marks the live clients of a bank, but for those whose last push contains `settled`. True: some
    /// became ready.
    ///
    /// There is no early return for a bank where nobody needs a mark: by the read-modify-write, a client
    /// that is admitted later sees what the publisher wrote.
    fn visit(&self, bank: usize, lane: Lane, settled: Option<Number>) -> bool {
        let word = &self.banks()[bank];
        // Slots that are not live now are not spared: whoever is admitted before the mark is marked.
        let spared = settled.map_or(0, |number| {
            where_each(word.load().live(), |slot| self.convergence.has_begun(bank, slot, number))
        });
        word.mark(ALL & !spared, lane).ready != 0
    }

    /// The most urgent lane of a lease that was claimed through `lane`: it contains an urgent publish to
    /// everyone also if nobody has marked the client for it yet.
    ///
    /// Called after the lease has read its number, and before it says that it has begun: an urgent publish
    /// up to that number is pending here, or its visit has ended and has marked the client.
    #[inline]
    pub(super) fn most_urgent(&self, place: Place, lane: Lane) -> Lane {
        if B::RECORDS {
            return lane; // the mark says it
        }
        match self.fan_out(Lane::Urgent).newest_pending(|| self.convergence.newest()) {
            Some(newest) if !self.convergence.has_completed(place.bank, place.slot, newest) => {
                Lane::Urgent
            }
            _ => lane,
        }
    }

    /// Whether a publish to everyone came after `seen` that may not be marked yet.
    pub(super) fn is_behind_fan_out(&self, seen: Number) -> bool {
        [Lane::Urgent, Lane::Normal].into_iter().any(|lane| {
            let newest = self.fan_out(lane).newest_pending(|| self.convergence.newest());
            newest.is_some_and(|newest| newest.cmp(seen).is_gt())
        })
    }

    /// Whether every client that a fan-out concerns has been marked, or needs no mark.
    pub(super) fn is_expanded(&self, lane: Lane) -> bool {
        let fan_out = self.fan_out(lane);
        !fan_out.is_pending()
            || fan_out.settled(|| self.convergence.newest()).is_some_and(|number| {
                self.banks().iter().enumerate().all(|(bank, word)| {
                    let live = word.load().live();
                    let done = |slot| self.convergence.has_completed(bank, slot, number);
                    where_each(live, done) == live
                })
            })
    }
}

/// The slots of a mask that fulfil a condition.
fn where_each(mask: usize, condition: impl Fn(usize) -> bool) -> usize {
    slots(mask).filter(|&slot| condition(slot)).fold(0, |all, slot| all | 1 << slot)
}
