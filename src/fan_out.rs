//! Fan-out on demand: a publish to everyone is a few counters, whatever the number of clients.
//!
//! `frontier` counts visits to banks: bank `frontier % banks` is visited next. `goal` is how far the
//! frontier must go. A publisher only raises the goal; whoever serves *expands*: it marks the live slots of
//! the next banks, puts them into the ready set, and **then** moves the frontier. Several may help with
//! the same banks, because marking is idempotent.
//!
//! How far must the frontier go, for a publisher that finds it at `f`? Every bank must be visited once
//! after the publish, so to `f + banks`. But the visit of bank `f` may have begun already, and may not
//! see what this publisher wrote: one visit more, `f + banks + 1`. Only when no visit can have begun,
//! because the goal was not ahead of the frontier, is that one spared.
//!
//! A client that has completed the newest of these publishes already (it was leased for another reason, or
//! registered since) is passed over, so nobody is pushed to for nothing.

use core::fmt;

use crate::convergence::Number;
use crate::sync::{Atomic, AtomicUsize, Ordering};

/// A place that the frontier is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goal(usize);

/// Frontier and goal count in a circle of whole rounds over the banks, so that no bank is left out where
/// they begin again.
#[derive(Clone, Copy, Debug)]
struct Circle {
    banks: usize,
    len: usize,
}

impl Circle {
    const fn new(banks: usize) -> Self {
        Circle { banks, len: (usize::MAX / 4 / banks) * banks }
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
    frontier: AtomicUsize,
    goal: AtomicUsize,
    /// How many publishers have raised the goal and have not told their number.
    under_way: AtomicUsize,
    /// The newest number among the publishers that have told it.
    newest: AtomicUsize,
}

/// The banks `first..first + len`, being visited by the caller, and perhaps by others.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) first: usize,
    pub(crate) len: usize,
    /// Where the frontier was.
    at: usize,
}

impl FanOut {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(banks: usize) -> Self {
        FanOut {
            circle: Circle::new(banks),
            frontier: AtomicUsize::zero(),
            goal: AtomicUsize::zero(),
            under_way: AtomicUsize::zero(),
            newest: AtomicUsize::zero(),
        }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_new(banks: usize) -> Self {
        FanOut {
            circle: Circle::new(banks),
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
        let goal = self.goal.load(Ordering::Relaxed);
        // A read-modify-write that changes nothing. Release: whoever moves the frontier on, or visits a
        // later bank, has acquired it, and with it what this publisher wrote.
        let frontier = self.frontier.fetch_add(0, Ordering::AcqRel);
        if self.circle.ahead(goal, frontier) <= 0 {
            let exact = self.circle.add(frontier, self.circle.banks);
            // It succeeds only if the goal has not moved since it was read, so nobody has begun to visit
            // the bank at the frontier. Release: with the Acquire in `visit`.
            let raised = self.goal.compare_exchange(
                goal,
                exact,
                Ordering::Release,
                Ordering::Relaxed, // the general case below
            );
            if raised.is_ok() {
                return Goal(exact);
            }
        }
        let wanted = self.circle.add(frontier, self.circle.banks + 1);
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
    pub(crate) fn is_pending(&self) -> bool {
        // Relaxed: coherence shows a goal that was raised before.
        let frontier = self.frontier.load(Ordering::Relaxed);
        self.circle.ahead(self.goal.load(Ordering::Relaxed), frontier) > 0
    }

    /// Whether the frontier has reached a publish's goal: every bank has been visited since.
    pub(crate) fn has_reached(&self, goal: Goal) -> bool {
        // Acquire: with the Release in `end`; the marks of the visits are seen.
        let frontier = self.frontier.load(Ordering::Acquire);
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
    pub(crate) fn newest(&self) -> Number {
        Number::from_word(self.newest.load(Ordering::Relaxed))
    }

    /// The banks to visit next, at most up to the end of the group of `group` banks they are in.
    pub(crate) fn visit(&self, group: usize) -> Option<Visit> {
        // The frontier first: read the other way round, a frontier that has passed the goal meanwhile
        // could look as if it were behind. Acquire: with the `fetch_add` in `raise`.
        let at = self.frontier.load(Ordering::Acquire);
        // Acquire: with the Release in `raise`.
        let left = self.circle.ahead(self.goal.load(Ordering::Acquire), at);
        if left <= 0 {
            return None;
        }
        let first = at % self.circle.banks;
        let to_the_end = (group - first % group).min(self.circle.banks - first);
        let len = to_the_end.min(left as usize);
        Some(Visit { first, len, at })
    }

    /// The banks have been marked and put into the ready set.
    pub(crate) fn end(&self, visit: Visit) {
        // Release: with the Acquire in `has_reached` and `visit`. Acquire: continues what publishers have
        // written to the frontier. Failure: another helper was faster.
        let _ = self.frontier.compare_exchange(
            visit.at,
            self.circle.add(visit.at, visit.len),
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

    #[test]
    fn a_round_begins_at_the_frontier_and_ends_there() {
        let fan_out = FanOut::const_new(5);
        assert!(fan_out.visit(4).is_none());
        let goal = fan_out.raise();
        fan_out.numbered(None);
        let mut visited = std::vec::Vec::new();
        while let Some(visit) = fan_out.visit(4) {
            assert!(!fan_out.has_reached(goal));
            visited.extend(visit.first..visit.first + visit.len);
            fan_out.end(visit);
        }
        assert!(fan_out.has_reached(goal));
        assert_eq!(visited, [0, 1, 2, 3, 4], "and no bank twice, for nobody had begun");
    }

    #[test]
    fn a_visit_that_may_have_begun_is_made_again() {
        let fan_out = FanOut::const_new(2);
        fan_out.raise();
        let begun = fan_out.visit(1).expect("pending");
        let goal = fan_out.raise();
        fan_out.end(begun);
        let mut visited = std::vec::Vec::new();
        while let Some(visit) = fan_out.visit(1) {
            visited.push(visit.first);
            fan_out.end(visit);
        }
        assert!(fan_out.has_reached(goal));
        assert_eq!(visited, [1, 0]);
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
