//! Fan-out on demand: a publish is two words, whatever the number of clients.
//!
//! The *frontier* counts visits to groups of banks, a group being those of one word of a ready set: group
//! `frontier % groups` is visited next. *Remaining* is how many visits it still has to make. A publisher only
//! raises that; whoever serves *expands*: it says that the visit has begun, marks the live slots of the group,
//! puts the banks into the ready set, and **then** moves the frontier. Several may help with the same group: a mark
//! that is made twice is one, and a helper that comes late asks first whether the visit has been ended.
//!
//! How far must the frontier go, for a publisher that finds it at `f`? Every group must be visited once
//! after the publish, so to `f + groups`. But if the visit of group `f` has begun already, it may not see
//! what this publisher wrote: one visit more, `f + groups + 1`.
//!
//! A client that has completed the newest of these publishes already (it was leased for another reason, or
//! registered since), or whose push in progress contains it, is passed over, so nobody is pushed to for
//! nothing.
//!
//! All that a publisher touches are two words, each by one compare-exchange:
//!
//! ```text
//!     visits:  | raised | frontier | remaining | begun |
//!     newest:  | numbered |   low bits of a number     |
//! ```
//!
//! `raised` counts publishers in the one, `numbered` in the other, both wrapping: where they are equal,
//! no publisher is still without its number. Everything that is written to `visits` is written by a
//! read-modify-write, so whoever acquires any later value of it has acquired what every publisher before
//! released.

use core::fmt;

use crate::convergence::Number;
use crate::sync::{Atomic, AtomicUsize, Ordering};

/// A place that the frontier is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goal(usize);

/// How many banks are visited at once: those of one word of a ready set.
pub(crate) const GROUP: usize = usize::BITS as usize;

/// How many banks a queue may have. On the heap there are never more: a queue has room for so many clients.
#[cfg(not(loom))]
pub(crate) const MAX_BANKS: usize = if usize::BITS >= 64 { 1 << 28 } else { 1 << 13 };

/// Set in `visits` while the group at the frontier is being visited.
const BEGUN: usize = 1;
/// One more visit to be made.
const VISIT: usize = 2;
/// The width of `raised` and `numbered`, which are on top of their words and wrap there.
const COUNT_BITS: u32 = if usize::BITS >= 64 { 16 } else { 10 };
const COUNT_SHIFT: u32 = usize::BITS - COUNT_BITS;
const ONE_MORE: usize = 1 << COUNT_SHIFT;
/// What is below the count.
const LOW: usize = ONE_MORE - 1;

/// How `visits` is divided between the frontier and what remains of its way. That is `groups + 1` visits at
/// most, and has as many bits as it needs.
///
/// The frontier counts in a circle of whole rounds over the groups, so that no group is left out where it
/// begins again. With as many clients as there can be it has room for four rounds (16 on a 32-bit target).
#[derive(Clone, Copy, Debug)]
struct Circle {
    groups: u32,
    remaining_bits: u32,
    /// The bits of `visits` that say what remains: asked for by each lease, so not worked out each time.
    remaining: usize,
}

impl Circle {
    const fn new(banks: usize) -> Self {
        let groups = banks.div_ceil(GROUP);
        let remaining_bits = usize::BITS - (groups + 1).leading_zeros();
        let remaining = (VISIT << remaining_bits) - VISIT;
        Circle { groups: groups as u32, remaining_bits, remaining }
    }

    const fn groups(self) -> usize {
        self.groups as usize
    }

    const fn len(self) -> usize {
        let places = 1 << (COUNT_SHIFT - self.frontier_shift());
        places - places % self.groups()
    }

    const fn add(self, place: usize, steps: usize) -> usize {
        let sum = place + steps;
        if sum >= self.len() { sum - self.len() } else { sum }
    }

    /// How far `to` is ahead of `from`; negative if it lies behind.
    const fn ahead(self, to: usize, from: usize) -> isize {
        let steps = if to >= from { to - from } else { to + self.len() - from };
        if steps > self.len() / 2 { steps as isize - self.len() as isize } else { steps as isize }
    }

    const fn frontier_shift(self) -> u32 {
        BEGUN.count_ones() + self.remaining_bits
    }

    const fn frontier(self, visits: usize) -> usize {
        (visits & LOW) >> self.frontier_shift()
    }

    /// How many visits are to be made, in units of [`VISIT`].
    #[inline]
    const fn remaining(self, visits: usize) -> usize {
        visits & self.remaining
    }

    /// One publisher more, and what it wants.
    const fn raise(self, visits: usize) -> (usize, Goal) {
        let wanted = self.groups() + (visits & BEGUN);
        let remaining = self.remaining(visits);
        let more = (wanted * VISIT).saturating_sub(remaining);
        let goal = Goal(self.add(self.frontier(visits), wanted));
        (visits.wrapping_add(ONE_MORE) + more, goal)
    }

    /// One step of the frontier.
    const fn step(self, visits: usize) -> usize {
        let at = self.frontier(visits);
        let (here, next) = (at << self.frontier_shift(), self.add(at, 1) << self.frontier_shift());
        (visits - here + next) - VISIT - (visits & BEGUN)
    }
}

/// One lane's fan-out.
pub(crate) struct FanOut {
    circle: Circle,
    visits: AtomicUsize,
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

/// The number whose low bits are in `newest`, or a later one: the last with these bits that is not after `now`.
/// So a number that was told very long ago is taken for a newer one, which costs a mark too many.
fn number_in(newest: usize, now: Number) -> Number {
    let age = now.word().wrapping_sub(newest) & LOW;
    Number::from_word(now.word().wrapping_sub(age))
}

impl FanOut {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(banks: usize) -> Self {
        FanOut {
            circle: Circle::new(banks),
            visits: AtomicUsize::zero(),
            newest: AtomicUsize::zero(),
        }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_new(banks: usize) -> Self {
        FanOut { circle: Circle::new(banks), visits: AtomicUsize::ZERO, newest: AtomicUsize::ZERO }
    }

    /// A publisher wants every bank visited. It must call [`numbered`](FanOut::numbered) next.
    #[inline]
    pub(crate) fn raise(&self) -> Goal {
        let mut visits = self.visits.load(Ordering::Relaxed);
        loop {
            let (next, goal) = self.circle.raise(visits);
            // Release: with the Acquire in `visit`. Whoever begins a visit later sees what this publisher
            // wrote; who began one before is found to have begun.
            match self.visits.compare_exchange_weak(
                visits,
                next,
                Ordering::Release,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return goal,
                Err(now) => visits = now,
            }
        }
    }

    /// The publisher has its number, or was refused one. `now` is the number of the publish that was numbered
    /// last.
    #[inline]
    pub(crate) fn numbered(&self, number: Option<Number>, now: impl Fn() -> Number) {
        // Acquire: with the Release below. Only then `now` is not older than the number that is there.
        let mut newest = self.newest.load(Ordering::Acquire);
        loop {
            let later = number.filter(|&number| number_in(newest, now()).cmp(number).is_lt());
            let next = later.map_or(newest & LOW, |number| number.word() & LOW)
                | newest.wrapping_add(ONE_MORE) & !LOW;
            // Release: with the Acquire in `settled`, which then sees that this publisher has raised; and
            // with the one above.
            match self.newest.compare_exchange_weak(
                newest,
                next,
                Ordering::Release,
                Ordering::Acquire, // as the load above
            ) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    /// Whether banks are still to be visited.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        // Acquire: with the Release in `end`. Whoever finds nothing pending goes on to look at the banks,
        // and must see the marks of the visits.
        self.circle.remaining(self.visits.load(Ordering::Acquire)) != 0
    }

    /// Whether the frontier has reached a publish's goal: every bank has been visited since.
    ///
    /// The answer is "no" again, wrongly, once the frontier has gone half a circle on from there. That is a
    /// whole round at least, so every client that the publish concerned has been marked for, or has begun,
    /// later publishes: it is busy, or has completed a later number.
    pub(crate) fn has_reached(&self, goal: Goal) -> bool {
        // Acquire: with the Release in `end`; the marks of the visits are seen.
        let frontier = self.circle.frontier(self.visits.load(Ordering::Acquire));
        self.circle.ahead(frontier, goal.0) >= 0
    }

    /// The newest number of a publish that was made through this, if no such publish is still without one.
    /// A client that has completed it needs no visit.
    pub(crate) fn settled(&self, now: impl Fn() -> Number) -> Option<Number> {
        // Acquire: with the Release in `numbered`. Whoever has told its number is seen to have raised, so
        // the first count can't be ahead of the second; if they are equal, it was the same publishers.
        let newest = self.newest.load(Ordering::Acquire);
        // Acquire: with the Release in `raise`, for the look below.
        let visits = self.visits.load(Ordering::Acquire);
        if (newest ^ visits) & !LOW != 0 {
            return None;
        }
        // Or the second is ahead by all that a count can count. Of so many publishers most have told
        // their numbers by the time that the last of them raises, unless all of them are under way at once:
        // 65,536 (1,024 on a 32-bit target). Relaxed: the Acquire above shows what they told.
        let unchanged = self.newest.load(Ordering::Relaxed) == newest;
        unchanged.then(|| number_in(newest, now()))
    }

    /// The newest number of a publish that was made through this and that may not be marked everywhere.
    #[inline]
    pub(crate) fn newest_pending(&self, now: impl Fn() -> Number) -> Option<Number> {
        // Acquire: with the Release in `numbered`, so that `now` is not older.
        self.is_pending().then(|| number_in(self.newest.load(Ordering::Acquire), now()))
    }

    /// Begins the visit of the next group, or joins the one that has begun.
    pub(crate) fn visit(&self) -> Option<Visit> {
        // Acquire: with `raise`. Also for who joins: a publisher whose raise is not seen here found the
        // visit begun.
        let mut visits = self.visits.load(Ordering::Acquire);
        loop {
            if self.circle.remaining(visits) == 0 {
                return None;
            }
            let at = self.circle.frontier(visits);
            let visit = Visit { group: at % self.circle.groups(), at };
            if visits & BEGUN != 0 {
                return Some(visit);
            }
            match self.visits.compare_exchange_weak(
                visits,
                visits | BEGUN,
                Ordering::Acquire, // as the load above
                Ordering::Acquire, // as the load above
            ) {
                Ok(_) => return Some(visit),
                Err(now) => visits = now,
            }
        }
    }

    /// Whether nobody who helps has ended the visit.
    #[inline]
    pub(crate) fn is_at(&self, visit: Visit) -> bool {
        // Relaxed: an end that is not seen yet costs a mark too many.
        self.circle.frontier(self.visits.load(Ordering::Relaxed)) == visit.at
    }

    /// The group's banks have been marked and put into the ready set.
    pub(crate) fn end(&self, visit: Visit) {
        let mut visits = self.visits.load(Ordering::Relaxed);
        // Publishers may raise meanwhile. Elsewhere: another helper was faster.
        while self.circle.frontier(visits) == visit.at && visits & BEGUN != 0 {
            match self.visits.compare_exchange_weak(
                visits,
                self.circle.step(visits),
                Ordering::Release, // with the Acquire in `has_reached` and in `is_pending`
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return,
                Err(now) => visits = now,
            }
        }
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
        let circle = Circle::new(7 * GROUP);
        let last = circle.len() - 1;
        assert_eq!(last % 7, 6);
        assert_eq!(circle.add(last, 1), 0);
        assert_eq!(circle.ahead(circle.add(last, 3), last), 3);
        assert_eq!(circle.ahead(last, circle.add(last, 3)), -3);
        let (two, seven) = (2 * VISIT, 7 * ONE_MORE);
        let at = last << circle.frontier_shift();
        assert_eq!(circle.step(at | two | BEGUN | seven), VISIT | seven);
    }

    #[test]
    fn there_is_room_for_the_largest_queue() {
        for banks in [1, GROUP, GROUP + 1, MAX_BANKS / 2 - GROUP, MAX_BANKS - 1, MAX_BANKS] {
            let circle = Circle::new(banks);
            assert!(circle.len() >= 4 * circle.groups(), "{banks} banks");
            let (raised, goal) = circle.raise(BEGUN);
            assert_eq!(circle.remaining(raised), (circle.groups() + 1) * VISIT);
            assert_eq!((goal, circle.frontier(raised)), (Goal(circle.groups() + 1), 0));
        }
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
        assert!(fan_out.is_at(helper));
        fan_out.end(first);
        assert!(!fan_out.is_at(helper), "it has been ended");
        fan_out.end(helper);
        assert!(!fan_out.has_reached(goal));
        // Nor does it end the visit that has begun since.
        let second = fan_out.visit().expect("pending");
        assert_eq!(second.group, 1);
        fan_out.end(helper);
        assert!(!fan_out.has_reached(goal));
        fan_out.end(second);
        assert!(fan_out.has_reached(goal));
    }

    /// The number of a publish that was numbered last, far beyond what a word keeps.
    const NOW: Number = Number::from_word(5 * ONE_MORE / 2 + 100);

    fn number(age: usize) -> Number {
        Number::from_word(NOW.word() - age)
    }

    #[test]
    fn a_number_counts_once_every_publisher_has_told_its_own() {
        let fan_out = FanOut::const_new(1);
        fan_out.raise();
        fan_out.raise();
        fan_out.numbered(Some(number(7)), || NOW);
        assert_eq!(fan_out.settled(|| NOW), None);
        fan_out.numbered(Some(number(9)), || NOW);
        assert_eq!(fan_out.settled(|| NOW), Some(number(7)), "the newest");
        fan_out.raise();
        fan_out.numbered(None, || NOW);
        assert_eq!(fan_out.settled(|| NOW), Some(number(7)), "one was refused");
    }

    #[test]
    fn publishers_are_counted_beyond_what_a_count_can_count() {
        let fan_out = FanOut::const_new(1);
        for _ in 0..(1 << COUNT_BITS) + 3 {
            assert!(fan_out.settled(|| NOW).is_some());
            fan_out.raise();
            assert!(fan_out.settled(|| NOW).is_none());
            fan_out.numbered(Some(NOW), || NOW);
        }
        assert_eq!(fan_out.settled(|| NOW), Some(NOW));
    }

    #[test]
    fn a_number_that_was_told_very_long_ago_is_taken_for_a_newer_one() {
        let told = |age, then| {
            let fan_out = FanOut::const_new(1);
            fan_out.raise();
            fan_out.numbered(Some(number(age)), || number(then));
            fan_out
        };
        let old = told(2 * ONE_MORE + 8, 2 * ONE_MORE);
        assert_eq!(old.settled(|| number(2 * ONE_MORE)), Some(number(2 * ONE_MORE + 8)));
        assert_eq!(old.settled(|| NOW), Some(number(8)));
        // And never keeps a newer one from being told.
        old.raise();
        old.numbered(Some(number(3)), || NOW);
        assert_eq!(old.settled(|| NOW), Some(number(3)));
        // A publisher that took very long is not the newest.
        let new = told(3, 0);
        new.raise();
        new.numbered(Some(number(ONE_MORE + 1)), || NOW);
        assert_eq!(new.settled(|| NOW), Some(number(3)));
    }

    #[test]
    fn a_number_is_asked_for_only_while_visits_remain() {
        let fan_out = FanOut::const_new(1);
        assert_eq!(fan_out.newest_pending(|| NOW), None);
        let goal = fan_out.raise();
        fan_out.numbered(Some(number(1)), || NOW);
        assert_eq!(fan_out.newest_pending(|| NOW), Some(number(1)));
        visits(&fan_out, goal);
        assert_eq!(fan_out.newest_pending(|| NOW), None);
    }
}
