//! Versions: a number for each publish, and who has completed which.
//!
//! * A publish takes its number *after* its last mark: once it has the number it may be waited for.
//! * A lease reads the newest number *after* its claim and *before* it takes the backlog: whatever has a
//!   number up to that one is contained in it. Completing stores it as the slot's `completed`.
//! * An idle slot is caught up, whatever its number.
//!
//! So version V has converged when every client it concerned is idle, has completed a number ≥ V, or has
//! left. A [`Version`] remembers whom it concerned, so that a client that is busy with other things holds
//! nothing back.

use core::cmp::Ordering as Order;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::apart::Apart;
use crate::audience::Audience;
use crate::fan_out::Goal;
use crate::slot::{Lane, SLOTS};
use crate::storage::Storage;
use crate::sync::{Atomic, AtomicU32, AtomicUsize, Ordering};

/// One publish, as returned by [`PushQueue::publish`](crate::PushQueue::publish).
///
/// Versions of one queue are ordered as their publishes were numbered, and print as `v42`. Ask the queue
/// about one with [`is_converged`](crate::PushQueue::is_converged) and
/// [`laggards`](crate::PushQueue::laggards).
///
/// On a 32-bit target numbers have 31 bits and wrap: versions compare rightly while less than 2³⁰
/// publishes lie between them.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    pub(crate) number: Number,
    pub(crate) audience: Audience,
    /// How far the fan-out of this lane must go, if the publish was made on demand: everyone's, or that of the
    /// one topic of the audience.
    pub(crate) goal: Option<(Lane, Goal)>,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    #[inline]
    fn cmp(&self, other: &Self) -> Order {
        self.number.cmp(other.number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number.0)
    }
}

/// A publish's number: one less bit than the machine word, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number(usize);

impl Number {
    #[inline]
    pub(crate) const fn from_word(word: usize) -> Self {
        Number(word)
    }

    #[inline]
    pub(crate) const fn word(self) -> usize {
        self.0
    }

    /// Serial number arithmetic (RFC 1982): right while less than half of all numbers lie between.
    #[inline]
    pub(crate) fn cmp(self, other: Number) -> Order {
        let ahead = (self.0.wrapping_sub(other.0) << 1) as isize;
        ahead.cmp(&0)
    }
}

/// Set in the counter's word once the queue is closed; the number is above it.
const CLOSED: usize = 1;
const ONE: usize = 2;

/// How far each slot of a bank is.
pub(crate) struct Progress {
    completed: [AtomicUsize; SLOTS],
    /// The low bits of the number that the slot's last push reaches, whether it has completed, is in progress or
    /// was given back. Never behind `completed`. Half a word is enough: a larger distance is taken for a smaller
    /// one, which costs a mark too many.
    begun: [AtomicU32; SLOTS],
}

impl Progress {
    #[cfg(feature = "alloc")]
    pub(crate) fn none() -> Self {
        Progress {
            completed: core::array::from_fn(|_| AtomicUsize::zero()),
            begun: core::array::from_fn(|_| AtomicU32::zero()),
        }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_none() -> Self {
        Progress {
            completed: [const { AtomicUsize::ZERO }; SLOTS],
            begun: [const { AtomicU32::ZERO }; SLOTS],
        }
    }
}

/// The counter, and each slot's completed number.
pub(crate) struct Convergence<S: Storage> {
    counter: Apart<AtomicUsize>,
    progress: S::Banks<Progress>,
}

impl<S: Storage> Convergence<S> {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(progress: S::Banks<Progress>) -> Self {
        Convergence { counter: Apart(AtomicUsize::zero()), progress }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_new(progress: S::Banks<Progress>) -> Self {
        Convergence { counter: Apart(AtomicUsize::ZERO), progress }
    }

    #[inline]
    fn of(&self, bank: usize) -> &Progress {
        &self.progress.as_ref()[bank]
    }

    /// The number of the publish that was numbered last.
    #[inline]
    pub(crate) fn newest(&self) -> Number {
        // Acquire: synchronizes with `number`. Whoever reads a number sees the marks and the recorded
        // requests of every publish up to it.
        Number(self.counter.load(Ordering::Acquire) >> 1)
    }

    /// As [`newest`](Convergence::newest), for a newcomer: a read-modify-write, so that a publish that is
    /// not among the numbers read is numbered after this, and whoever learns its number knows that the
    /// newcomer holds its slot.
    pub(crate) fn newest_for_newcomer(&self) -> Number {
        Number(self.counter.fetch_add(0, Ordering::AcqRel) >> 1) // with `number`
    }

    /// Numbers a publish whose marks are made; `None` if the queue was closed meanwhile.
    #[inline]
    pub(crate) fn number(&self) -> Option<Number> {
        // Release: with the Acquire of `newest`. Acquire: with `close`, and with earlier publishes,
        // whose marks this number covers too.
        let before = self.counter.fetch_add(ONE, Ordering::AcqRel);
        (before & CLOSED == 0).then_some(Number(before.wrapping_add(ONE) >> 1))
    }

    /// No publish gets a number from now on.
    pub(crate) fn close(&self) {
        // AcqRel: every publish that got a number came before and its marks are seen by whoever finds
        // the queue closed, and so is what the caller did before.
        self.counter.fetch_or(CLOSED, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.counter.load(Ordering::Acquire) & CLOSED != 0 // with `close`
    }

    /// Whether the queue is closed; if not, whoever finds it closed later sees what the caller did before.
    pub(crate) fn is_closed_or_will_see(&self) -> bool {
        // A read-modify-write that changes nothing: it comes before `close`, which acquires it, or after
        // it. A load would leave no trace for the closer.
        self.counter.fetch_add(0, Ordering::AcqRel) & CLOSED != 0
    }

    /// The slot's newcomer owes nothing up to `number`, which no push of the slot has reached beyond.
    pub(crate) fn start(&self, bank: usize, slot: usize, number: Number) {
        self.begin(bank, slot, number);
        self.complete(bank, slot, number);
    }

    /// The slot's owner begins a push that contains everything up to `number`.
    #[inline]
    pub(crate) fn begin(&self, bank: usize, slot: usize, number: Number) {
        // Relaxed: the number is the message. Whoever reads an older one marks once too often.
        self.of(bank).begun[slot].store(number.0 as u32, Ordering::Relaxed);
    }

    /// The slot's owner has pushed everything up to `number`, with which it had begun.
    #[inline]
    pub(crate) fn complete(&self, bank: usize, slot: usize, number: Number) {
        // Release: with the Acquire of `has_completed`; a checker that sees the number sees all that was
        // done to earn it.
        self.of(bank).completed[slot].store(number.0, Ordering::Release);
    }

    /// Whether `number` needs no mark of a live slot: the client has completed it, or its last push
    /// contains it and is in progress, or has been given back and so is pending.
    pub(crate) fn has_begun(&self, bank: usize, slot: usize, number: Number) -> bool {
        // In this order, and Acquire: with the Release in `complete`, before which the push had begun. So the
        // second is never behind the first, and a newer one only says more.
        let of = self.of(bank);
        let completed = of.completed[slot].load(Ordering::Acquire);
        let begun = of.begun[slot].load(Ordering::Relaxed);
        let ahead = begun.wrapping_sub(completed as u32) as usize;
        Number(completed.wrapping_add(ahead)).cmp(number).is_ge()
    }

    #[inline]
    pub(crate) fn has_completed(&self, bank: usize, slot: usize, number: Number) -> bool {
        let completed = Number(self.of(bank).completed[slot].load(Ordering::Acquire)); // with `complete`
        completed.cmp(number).is_ge()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::storage::Static;

    const BANKS: usize = 2;

    fn convergence() -> Convergence<Static<BANKS>> {
        Convergence::const_new([const { Progress::const_none() }; BANKS])
    }

    #[test]
    fn numbers_are_given_until_it_is_closed() {
        let convergence = convergence();
        assert_eq!(convergence.newest(), Number(0));
        for number in 1..4 {
            assert_eq!(convergence.number(), Some(Number(number)));
            assert_eq!(convergence.newest(), Number(number));
            assert_eq!(convergence.newest_for_newcomer(), Number(number));
            assert!(!convergence.is_closed() && !convergence.is_closed_or_will_see());
        }
        convergence.close();
        assert!(convergence.is_closed() && convergence.is_closed_or_will_see());
        assert_eq!(
            (convergence.newest(), convergence.newest_for_newcomer()),
            (Number(3), Number(3))
        );
        assert_eq!(convergence.number(), None);
    }

    #[test]
    fn a_push_reaches_as_far_as_it_has_begun_and_completes_as_far() {
        let (convergence, bank, slot) = (convergence(), 1, 3);
        let has = |number| {
            let number = Number(number);
            let elsewhere = [(0, slot), (bank, slot - 1), (bank, slot + 1)];
            assert!(
                elsewhere.iter().all(|&(bank, slot)| !convergence.has_begun(bank, slot, number))
            );
            (
                convergence.has_begun(bank, slot, number),
                convergence.has_completed(bank, slot, number),
            )
        };
        convergence.start(bank, slot, Number(5));
        assert_eq!([4, 5, 6].map(has), [(true, true), (true, true), (false, false)]);
        convergence.begin(bank, slot, Number(8));
        assert_eq!(
            [5, 6, 8, 9].map(has),
            [(true, true), (true, false), (true, false), (false, false)]
        );
        convergence.complete(bank, slot, Number(8));
        assert_eq!([8, 9].map(has), [(true, true), (false, false)]);
    }

    /// Of the number that a push reaches only the low half is kept.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_push_is_never_said_to_reach_too_far() {
        const HALF: usize = 1 << u32::BITS;
        let convergence = convergence();
        let reaches = |completed, begun, number| {
            convergence.start(0, 0, Number(completed));
            convergence.begin(0, 0, Number(begun));
            convergence.has_begun(0, 0, Number(number))
        };
        // Over the end of the low half, and as far as it can say.
        assert!(reaches(HALF - 1, HALF + 1, HALF + 1) && !reaches(HALF - 1, HALF + 1, HALF + 2));
        assert!(reaches(7, HALF + 6, HALF + 6) && !reaches(7, HALF + 6, HALF + 7));
        // Farther, it says less.
        assert!(reaches(7, HALF + 9, 9) && !reaches(7, HALF + 9, 10));
    }

    #[test]
    fn versions_are_their_numbers() {
        use core::hash::BuildHasher;

        let version = |number, audience| Version { number: Number(number), audience, goal: None };
        let one = version(1, Audience::EVERYONE);
        let same = version(1, Audience::scope(&crate::topics::Scope::any(&[])));
        let two = version(2, Audience::EVERYONE);
        assert!(one == same && one != two);
        assert!(one < two && two > same && one <= same);
        let hash = std::hash::RandomState::new();
        assert_eq!(hash.hash_one(one), hash.hash_one(same));
        assert_ne!(hash.hash_one(one), hash.hash_one(two));
        assert_eq!(std::format!("{one} {two}"), "v1 v2");
    }

    #[test]
    fn numbers_compare_across_the_wrap() {
        let last = Number(usize::MAX >> 1);
        let first = Number(0);
        assert_eq!(first.cmp(last), Order::Greater);
        assert_eq!(last.cmp(first), Order::Less);
        assert_eq!(Number(7).cmp(Number(7)), Order::Equal);
        assert_eq!(Number(7).cmp(Number(9)), Order::Less);
    }
}
