//! Fan-out on demand: a publish to everyone is a few counters, whatever the number of clients.
//!
//! `frontier` counts visits to groups of banks, a group being those of one word of a ready set: group
//! `frontier % groups` is visited next. `goal` is how far the frontier must go. A publisher only raises
//! the goal; whoever serves *expands*: it says that the visit has begun, marks the live slots of the
//! group, puts the banks into the ready set, and **then** moves the frontier. Several may help with the
//! same group, because marking is idempotent.
//!
//! How far must the frontier go, for a publisher that finds it at `f`? Every group must be visited once
//! after the publish, so to `f + groups`. But if the visit of group `f` has begun already, it may not see
//! what this publisher wrote: one visit more, `f + groups + 1`.
//!
//! A client that has completed the newest of these publishes already (it was leased for another reason, or
//! registered since), or whose push in progress contains it, is passed over, so nobody is pushed to for
//! nothing.

use core::fmt;

use crate::convergence::Number;
use crate::sync::{Atomic, AtomicUsize, Ordering};

/// A place that the frontier is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goal(usize);

/// How many banks are visited at once: those of one word of a ready set.
pub(crate) const GROUP: usize = usize::BITS as usize;

/// Set in the frontier's word while the group at the frontier is being visited; the frontier is above it.
const BEGUN: usize = 1;

/// Frontier and goal count in a circle of whole rounds over the groups, so that no group is left out where
/// they begin again.
#[derive(Clone, Copy, Debug)]
struct Circle {
    groups: usize,
    len: usize,
}

impl Circle {
    const fn new(groups: usize) -> Self {
        Circle { groups, len: (usize::MAX / 8 / groups) * groups }
    }

    const fn add(self, place: usize, steps: usize) -> usize {
        let sum = place + steps;
        if sum >= self.len { sum - self.len } else { sum }
    }

    /// How far `to` is ahead of `from`; negative if it lies behind.
    const fn ahead(self, to: usize, from: usize) -> isize {
        let steps = if to >= from { to - from } else { to + self.len - from };
        if steps > self.len / 2 { steps as isize - self.len as isize } else { steps as isize }
    }
}

/// One lane's fan-out.
pub(crate) struct FanOut {
    circle: Circle,
    /// The frontier, above [`BEGUN`].
    frontier: AtomicUsize,
    goal: AtomicUsize,
    /// How many publishers have raised the goal and have not told their number.
    under_way: AtomicUsize,
    /// The newest number among the publishers that have told it.
    newest: AtomicUsize,
}

/// A group of banks, being visited by the caller, and perhaps by others.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) group: usize,
    /// Where the frontier is.
    at: usize,
}

impl FanOut {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(banks: usize) -> Self {
        FanOut {
            circle: Circle::new(banks.div_ceil(GROUP)),
            frontier: AtomicUsize::zero(),
            goal: AtomicUsize::zero(),
            under_way: AtomicUsize::zero(),
            newest: AtomicUsize::zero(),
        }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_new(banks: usize) -> Self {
        FanOut {
            circle: Circle::new(banks.div_ceil(GROUP)),
            frontier: AtomicUsize::ZERO,
            goal: AtomicUsize::ZERO,
            under_way: AtomicUsize::ZERO,
            newest: AtomicUsize::ZERO,
        }
    }

    /// A publisher wants every bank visited. It must call [`numbered`](FanOut::numbered) next.
    pub(crate) fn raise(&self) -> Goal {
        // Relaxed: whoever sees the goal sees this as well, by the Release there.
        self.under_way.fetch_add(1, Ordering::Relaxed);
        // A read-modify-write that changes nothing. Release: whoever begins a visit later has acquired
        // it, and with it what this publisher wrote. A load would leave no trace for them.
        let word = self.frontier.fetch_add(0, Ordering::AcqRel);
        let visits = self.circle.groups + (word & BEGUN);
        let wanted = self.circle.add(word >> 1, visits);
        let mut goal = self.goal.load(Ordering::Relaxed);
        loop {
            let next = if self.circle.ahead(wanted, goal) > 0 { wanted } else { goal };
            // Also when the goal is far enough already: Release, with the Acquire in `visit`.
            match self.goal.compare_exchange_weak(
                goal,
                next,
                Ordering::Release,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return Goal(wanted),
                Err(now) => goal = now,
            }
        }
    }

    /// The publisher has its number, or was refused one.
    pub(crate) fn numbered(&self, number: Option<Number>) {
        if let Some(number) = number {
            let mut newest = self.newest.load(Ordering::Relaxed);
            while Number::from_word(newest).cmp(number).is_lt() {
                match self.newest.compare_exchange_weak(
                    newest,
                    number.word(),
                    Ordering::Relaxed, // ordered by `under_way`
                    Ordering::Relaxed, // tried again
                ) {
                    Ok(_) => break,
                    Err(now) => newest = now,
                }
            }
        }
        // Release: with the Acquire in `settled`.
        self.under_way.fetch_sub(1, Ordering::Release);
    }

    /// Whether banks are still to be visited.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        // Acquire: with the Release in `end`. Whoever finds nothing pending goes on to look at the banks,
        // and must see the marks of the visits.
        let frontier = self.frontier.load(Ordering::Acquire) >> 1;
        // Relaxed: coherence shows a goal that was raised before.
        let goal = self.goal.load(Ordering::Relaxed);
        goal != frontier && self.circle.ahead(goal, frontier) > 0
    }

    /// Whether the frontier has reached a publish's goal: every bank has been visited since.
    pub(crate) fn has_reached(&self, goal: Goal) -> bool {
        // Acquire: with the Release in `end`; the marks of the visits are seen.
        let frontier = self.frontier.load(Ordering::Acquire) >> 1;
        self.circle.ahead(frontier, goal.0) >= 0
    }

    /// The newest number of a publish to everyone, if no such publish is still without one. A client that
    /// has completed it needs no visit.
    pub(crate) fn settled(&self) -> Option<Number> {
        // Acquire: with the Release in `numbered`.
        let settled = self.under_way.load(Ordering::Acquire) == 0;
        settled.then(|| self.newest())
    }

    /// The newest number of a publish to everyone.
    #[inline]
    pub(crate) fn newest(&self) -> Number {
        Number::from_word(self.newest.load(Ordering::Relaxed))
    }

    /// Begins the visit of the next group, or joins the one that has begun.
    pub(crate) fn visit(&self) -> Option<Visit> {
        // The frontier first: read the other way round, a frontier that has passed the goal meanwhile
        // could look as if it were behind. Acquire: with `raise`, through whoever began the visit.
        let mut word = self.frontier.load(Ordering::Acquire);
        loop {
            let at = word >> 1;
            // Acquire: with the Release in `raise`.
            if self.circle.ahead(self.goal.load(Ordering::Acquire), at) <= 0 {
                return None;
            }
            let visit = Visit { group: at % self.circle.groups, at };
            if word & BEGUN != 0 {
                return Some(visit);
            }
            // Acquire: synchronizes with every publisher that found the visit not begun, and counts on it.
            // Release: for those who join.
            match self.frontier.compare_exchange(
                word,
                word | BEGUN,
                Ordering::AcqRel,
                Ordering::Acquire, // as the load above
            ) {
                Ok(_) => return Some(visit),
                Err(now) => word = now,
            }
        }
    }

    /// The group's banks have been marked and put into the ready set.
    pub(crate) fn end(&self, visit: Visit) {
        // Release: with the Acquire in `has_reached`. Acquire: continues what publishers have written to
        // the frontier. Failure: another helper was faster.
        let _ = self.frontier.compare_exchange(
            visit.at << 1 | BEGUN,
            self.circle.add(visit.at, 1) << 1,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut").field("pending", &self.is_pending()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_circle_closes_without_leaving_a_bank_out() {
        let circle = Circle::new(7);
        let last = circle.len - 1;
        assert_eq!(last % 7, 6);
        assert_eq!(circle.add(last, 1), 0);
        assert_eq!(circle.ahead(circle.add(last, 3), last), 3);
        assert_eq!(circle.ahead(last, circle.add(last, 3)), -3);
    }

    /// Visits what is pending; the groups in order.
    fn visits(fan_out: &FanOut, goal: Goal) -> std::vec::Vec<usize> {
        let mut visited = std::vec::Vec::new();
        while let Some(visit) = fan_out.visit() {
            assert!(!fan_out.has_reached(goal));
            visited.push(visit.group);
            fan_out.end(visit);
        }
        assert!(fan_out.has_reached(goal));
        visited
    }

    #[test]
    fn a_round_begins_at_the_frontier_and_ends_there() {
        let fan_out = FanOut::const_new(4 * GROUP + 1);
        assert!(fan_out.visit().is_none());
        fan_out.raise();
        let goal = fan_out.raise();
        assert_eq!(visits(&fan_out, goal), [0, 1, 2, 3, 4], "and no group twice");
    }

    #[test]
    fn a_visit_that_has_begun_is_made_again() {
        let fan_out = FanOut::const_new(2 * GROUP);
        fan_out.raise();
        let begun = fan_out.visit().expect("pending");
        let goal = fan_out.raise();
        fan_out.end(begun);
        assert_eq!(visits(&fan_out, goal), [1, 0]);
    }

    #[test]
    fn a_helper_that_comes_late_moves_nothing() {
        let fan_out = FanOut::const_new(2 * GROUP);
        let goal = fan_out.raise();
        let (first, helper) = (fan_out.visit().expect("pending"), fan_out.visit().expect("begun"));
        assert_eq!(first.group, helper.group);
        fan_out.end(first);
        fan_out.end(helper);
        assert_eq!(visits(&fan_out, goal), [1]);
    }

    #[test]
    fn a_number_counts_once_every_publisher_has_told_its_own() {
        let fan_out = FanOut::const_new(1);
        let (seven, nine) = (Number::from_word(7), Number::from_word(9));
        fan_out.raise();
        fan_out.raise();
        fan_out.numbered(Some(nine));
        assert_eq!(fan_out.settled(), None);
        fan_out.numbered(Some(seven));
        assert_eq!(fan_out.settled(), Some(nine));
    }
}
