//! Fan-out on demand: a publish to everyone is two words, whatever the number of clients.
//!
//! Banks are visited in groups, a group being those of one word of a ready set. A publisher tells
//! its number and raises *remaining* to the number of groups; workers make the visits, each group
//! in its turn. A worker takes the group at the *frontier*, marks the live clients there that have
//! not begun a push with the newest number, puts the banks into the ready set, and ends the visit.
//!
//! ```text
//!     visits:  |  begun  | frontier | remaining |
//!     newest:  |  the newest number of a publish that may have raised  |
//! ```
//!
//! A raise sets *remaining* to all groups. Each visit that begins takes one off and moves the
//! frontier by one, so every group is visited after each raise. A visit that had begun before the
//! raise may not see what the publisher wrote, and does not count: it is in *begun*.
//!
//! No value of the word stands for a moment in time, so it has no ABA: `remaining` and `begun` are
//! counts, and the frontier is a group. A visit is made by the worker that began it and by no
//! other. While that worker is paused, its group's clients wait, as the slots of a popped bank do;
//! other workers serve the other groups.
//!
//! A publisher is numbered, tells `newest`, then raises. So a visit that sees the raise reads a
//! number that is at least the publisher's, and a client whose push has begun with it needs no
//! mark.

use crate::convergence::Seq;
use crate::sync::{AtomicUsize, Ordering, const_fn};

/// How many banks are visited at once: those of one word of a ready set.
pub(crate) const GROUP: usize = usize::BITS as usize;

/// How many banks a queue may have. On the heap there are never more: a queue has room for so many
/// clients.
pub(crate) const MAX_BANKS: usize = if usize::BITS >= 64 { 1 << 28 } else { 1 << 13 };

/// The width of the frontier, which is less than the number of groups.
const FRONTIER_BITS: u32 = (MAX_BANKS / GROUP).ilog2();
/// How many visits are still to begin: up to the number of groups.
const REMAINING: usize = (1 << (FRONTIER_BITS + 1)) - 1;
const FRONTIER_SHIFT: u32 = FRONTIER_BITS + 1;
const FRONTIER: usize = ((1 << FRONTIER_BITS) - 1) << FRONTIER_SHIFT;
/// One visit that has begun and has not ended.
const ONE_BEGUN: usize = 1 << (FRONTIER_SHIFT + FRONTIER_BITS);

const fn frontier(visits: usize) -> usize {
    (visits & FRONTIER) >> FRONTIER_SHIFT
}

/// One lane's fan-out.
#[derive(Debug)]
pub(crate) struct FanOut {
    groups: usize,
    visits: AtomicUsize,
    newest: AtomicUsize,
}

impl FanOut {
    const_fn! {
        pub(crate) const fn new(banks: usize) -> Self {
            let groups = banks.div_ceil(GROUP);
            FanOut { groups, visits: AtomicUsize::new(0), newest: AtomicUsize::new(0) }
        }
    }

    /// The publisher that was given this number wants every bank visited.
    #[inline]
    pub(crate) fn raise(&self, number: Seq) {
        // Relaxed: the raise below releases it, and the number alone is the message.
        let mut newest = self.newest.load(Ordering::Relaxed);
        while Seq::from_word(newest).cmp(number).is_lt() {
            match self.newest.compare_exchange_weak(
                newest,
                number.word(),
                Ordering::Relaxed, // as the load
                Ordering::Relaxed, // retried
            ) {
                Ok(_) => break,
                Err(now) => newest = now,
            }
        }
        let mut visits = self.visits.load(Ordering::Relaxed);
        // A read-modify-write also where all groups remain already: the next visit must see what
        // this publisher wrote.
        while let Err(now) = self.visits.compare_exchange_weak(
            visits,
            visits & !REMAINING | self.groups,
            // Release: with the Acquire in `begin`. Acquire: with `is_pending_or_seen`.
            Ordering::AcqRel,
            Ordering::Relaxed, // retried
        ) {
            visits = now;
        }
    }

    /// Whether a visit remains to begin.
    #[inline]
    pub(crate) fn remains(&self) -> bool {
        // Relaxed: false as soon as the last visit has begun, so it says nothing of the marks. The
        // worker that makes them notifies others afterwards.
        self.visits.load(Ordering::Relaxed) & REMAINING != 0
    }

    /// Whether some bank may not have been marked for a publish that raised before.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.visits.load(Ordering::Acquire) & !FRONTIER != 0 // with `end`: the marks are seen
    }

    /// As [`is_pending`](FanOut::is_pending); if it returns `false`, a publisher that raises later
    /// sees what the caller has seen.
    pub(crate) fn is_pending_or_seen(&self) -> bool {
        // Acquire: with `end`. Release: with `raise`.
        self.visits.fetch_add(0, Ordering::AcqRel) & !FRONTIER != 0
    }

    /// At least the number of every publish whose raise the caller has seen.
    #[inline]
    pub(crate) fn newest(&self) -> Seq {
        Seq::from_word(self.newest.load(Ordering::Relaxed)) // ordered by the raise
    }

    /// Begins the next visit: the group of banks that the caller is to mark.
    pub(crate) fn begin(&self) -> Option<usize> {
        let mut visits = self.visits.load(Ordering::Relaxed);
        loop {
            // A full count of visits begun: as many threads are at it, and one of them goes on.
            if visits & REMAINING == 0 || visits > usize::MAX - ONE_BEGUN {
                return None;
            }
            let group = frontier(visits);
            let next = if group + 1 == self.groups { 0 } else { group + 1 };
            match self.visits.compare_exchange_weak(
                visits,
                (visits & !FRONTIER | next << FRONTIER_SHIFT) - 1 + ONE_BEGUN,
                Ordering::Acquire, // with `raise`
                Ordering::Relaxed, // retried
            ) {
                Ok(_) => return Some(group),
                Err(now) => visits = now,
            }
        }
    }

    /// The group's banks have been marked and put into the ready set.
    pub(crate) fn end(&self) {
        // Release: with the Acquire in `is_pending` and in `is_pending_or_seen`.
        self.visits.fetch_sub(ONE_BEGUN, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn number(word: usize) -> Seq {
        Seq::from_word(word)
    }

    /// Makes the visits that remain: their groups in order.
    fn visits(fan_out: &FanOut) -> Vec<usize> {
        core::iter::from_fn(|| {
            let group = fan_out.begin()?;
            assert!(fan_out.is_pending() && fan_out.is_pending_or_seen());
            fan_out.end();
            Some(group)
        })
        .collect()
    }

    #[test]
    fn a_round_begins_at_the_frontier_and_ends_there() {
        let fan_out = FanOut::new(4 * GROUP + 1);
        assert!(fan_out.begin().is_none() && !fan_out.is_pending() && !fan_out.remains());
        fan_out.raise(number(1));
        fan_out.raise(number(2));
        assert_eq!(visits(&fan_out), [0, 1, 2, 3, 4], "and no group twice");
        assert!(!fan_out.is_pending() && !fan_out.is_pending_or_seen());
    }

    #[test]
    fn a_visit_that_has_begun_is_made_again() {
        let fan_out = FanOut::new(3 * GROUP);
        fan_out.raise(number(1));
        assert_eq!((fan_out.begin(), fan_out.begin()), (Some(0), Some(1)));
        fan_out.end();
        fan_out.raise(number(2));
        assert_eq!(visits(&fan_out), [2, 0, 1]);
        assert!(fan_out.is_pending() && !fan_out.remains(), "the first visit has not ended");
        fan_out.end();
        assert!(!fan_out.is_pending());
    }

    /// A worker is paused in its visit for as long as the frontier can count, and for longer.
    #[test]
    fn a_visit_that_takes_for_ever_ends_no_other() {
        let fan_out = FanOut::new(2 * GROUP);
        fan_out.raise(number(1));
        assert_eq!(fan_out.begin(), Some(0));
        for publish in 2..100_000 {
            fan_out.raise(number(publish));
            assert_eq!(visits(&fan_out).len(), 2);
            assert!(fan_out.is_pending(), "the first visit has not ended");
        }
        fan_out.raise(number(100_000));
        let second = fan_out.begin();
        fan_out.end(); // the first one
        assert!(second.is_some() && fan_out.is_pending() && fan_out.remains());
        assert_eq!(visits(&fan_out).len(), 1);
        fan_out.end();
        assert!(!fan_out.is_pending());
    }

    #[test]
    fn the_largest_queue_fits_and_so_does_a_thread_for_each_visit() {
        let fan_out = FanOut::new(MAX_BANKS);
        fan_out.raise(number(1));
        let groups = MAX_BANKS / GROUP;
        assert_eq!(visits(&fan_out), (0..groups).collect::<Vec<_>>());
        let most = usize::MAX / ONE_BEGUN;
        let mut begun = 0;
        fan_out.raise(number(2));
        while fan_out.begin().is_some() {
            begun += 1;
            fan_out.raise(number(2));
        }
        assert_eq!(begun, most);
        assert!(fan_out.remains(), "one of those goes on");
        (0..most).for_each(|_| fan_out.end());
        assert_eq!(visits(&fan_out).len(), groups);
    }

    #[test]
    fn the_newest_number_is_told_whatever_the_order() {
        let fan_out = FanOut::new(1);
        [2, 1, 5, 3].map(number).into_iter().for_each(|number| fan_out.raise(number));
        assert_eq!(fan_out.newest(), number(5));
    }
}
