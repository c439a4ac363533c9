//! How far each client is: what its pushes have begun with, what they have completed, and how many there were.

use core::cmp::Ordering as Order;

use crate::convergence::Number;
use crate::slot::SLOTS;
use crate::sync::{Atomic, AtomicU16, AtomicU32, AtomicUsize, Ordering};

/// How many pushes of a place have been completed. It wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pushes(u32);

impl Pushes {
    #[cfg(test)]
    pub(crate) const fn from_count(count: u32) -> Self {
        Pushes(count)
    }

    pub(crate) const fn count(self) -> u32 {
        self.0
    }

    /// As [`Number::cmp`].
    #[inline]
    pub(crate) fn cmp(self, other: Pushes) -> Order {
        (self.0.wrapping_sub(other.0) as i32).cmp(&0)
    }
}

/// How far each slot of a bank is. Its owner writes, before it lets go of the slot.
///
/// Each part side by side for all slots: with the parts of a slot side by side, and with its seat, a push to one of a
/// million clients took longer (see docs/performance.md).
pub(crate) struct Progress {
    completed: [AtomicUsize; SLOTS],
    /// Those that have been completed, of whichever client.
    pushes: [AtomicU32; SLOTS],
    /// The low bits of the number that the slot's last push reaches, whether it has completed, is in progress or
    /// was given back. Never behind `completed`. So many are enough: a larger distance is taken for a smaller
    /// one, which costs a mark too many.
    begun: [AtomicU16; SLOTS],
}

impl Progress {
    #[cfg(feature = "alloc")]
    pub(crate) fn none() -> Self {
        Progress {
            completed: core::array::from_fn(|_| AtomicUsize::zero()),
            pushes: core::array::from_fn(|_| AtomicU32::zero()),
            begun: core::array::from_fn(|_| AtomicU16::zero()),
        }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_none() -> Self {
        Progress {
            completed: [const { AtomicUsize::ZERO }; SLOTS],
            pushes: [const { AtomicU32::ZERO }; SLOTS],
            begun: [const { AtomicU16::ZERO }; SLOTS],
        }
    }

    /// The slot's newcomer owes nothing up to `number`, which no push of the slot has reached beyond.
    pub(crate) fn start(&self, slot: usize, number: Number) {
        self.begin(slot, number);
        self.reach(slot, number);
    }

    /// The slot's owner begins a push that contains everything up to `number`.
    #[inline]
    pub(crate) fn begin(&self, slot: usize, number: Number) {
        // Relaxed: the number is the message. Whoever reads an older one marks once too often.
        self.begun[slot].store(number.word() as u16, Ordering::Relaxed);
    }

    /// The slot's owner has pushed all that was marked when it claimed the slot, and everything up to `number`, with which
    /// it had begun.
    #[inline]
    pub(crate) fn complete(&self, slot: usize, number: Number) {
        self.reach(slot, number);
        let pushes = &self.pushes[slot];
        // Relaxed: the bank's word has handed over what the last owner wrote.
        let count = pushes.load(Ordering::Relaxed).wrapping_add(1);
        pushes.store(count, Ordering::Release); // with `has_pushed`, as in `reach`
    }

    #[inline]
    fn reach(&self, slot: usize, number: Number) {
        // Release: with the Acquire of `has_completed`; a checker that sees the number sees all that was
        // done to earn it.
        self.completed[slot].store(number.word(), Ordering::Release);
    }

    /// Whether `number` needs no mark of a live slot: the client has completed it, or its last push
    /// contains it and is in progress, or has been given back and so is pending.
    pub(crate) fn has_begun(&self, slot: usize, number: Number) -> bool {
        // In this order, and Acquire: with the Release in `reach`, before which the push had begun. So the
        // second is never behind the first, and a newer one only says more.
        let completed = self.completed[slot].load(Ordering::Acquire);
        let begun = self.begun[slot].load(Ordering::Relaxed);
        let ahead = begun.wrapping_sub(completed as u16) as usize;
        Number::from_word(completed.wrapping_add(ahead)).cmp(number).is_ge()
    }

    #[inline]
    pub(crate) fn has_completed(&self, slot: usize, number: Number) -> bool {
        let completed = Number::from_word(self.completed[slot].load(Ordering::Acquire)); // with `reach`
        completed.cmp(number).is_ge()
    }

    /// The first push that is sure to contain what has just been marked, while the slot was `in_progress` or not.
    ///
    /// A push that was in progress at the mark had been claimed before it, so it takes the one after that.
    #[inline]
    pub(crate) fn next_push(&self, slot: usize, in_progress: bool) -> Pushes {
        // Relaxed, after the mark: the bank's word shows what was completed before that. What has been completed since
        // makes it a push later.
        let completed = self.pushes[slot].load(Ordering::Relaxed);
        Pushes(completed.wrapping_add(1 + u32::from(in_progress)))
    }

    #[inline]
    pub(crate) fn has_pushed(&self, slot: usize, push: Pushes) -> bool {
        Pushes(self.pushes[slot].load(Ordering::Acquire)).cmp(push).is_ge() // with `complete`
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SLOT: usize = 3;

    const fn number(word: usize) -> Number {
        Number::from_word(word)
    }

    #[test]
    fn a_push_reaches_as_far_as_it_has_begun_and_completes_as_far() {
        let progress = Progress::const_none();
        let has = |word| {
            let number = number(word);
            assert!([SLOT - 1, SLOT + 1].iter().all(|&slot| !progress.has_begun(slot, number)));
            (progress.has_begun(SLOT, number), progress.has_completed(SLOT, number))
        };
        progress.start(SLOT, number(5));
        assert_eq!([4, 5, 6].map(has), [(true, true), (true, true), (false, false)]);
        progress.begin(SLOT, number(8));
        assert_eq!(
            [5, 6, 8, 9].map(has),
            [(true, true), (true, false), (true, false), (false, false)]
        );
        progress.complete(SLOT, number(8));
        assert_eq!([8, 9].map(has), [(true, true), (false, false)]);
    }

    /// Of the number that a push reaches only the low bits are kept.
    #[test]
    fn a_push_is_never_said_to_reach_too_far() {
        const ROUND: usize = 1 << u16::BITS;
        let progress = Progress::const_none();
        let reaches = |completed, begun, of| {
            progress.start(SLOT, number(completed));
            progress.begin(SLOT, number(begun));
            progress.has_begun(SLOT, number(of))
        };
        // Over the end of the low bits, and as far as they can say.
        assert!(
            reaches(ROUND - 1, ROUND + 1, ROUND + 1) && !reaches(ROUND - 1, ROUND + 1, ROUND + 2)
        );
        assert!(reaches(7, ROUND + 6, ROUND + 6) && !reaches(7, ROUND + 6, ROUND + 7));
        // Farther, it says less.
        assert!(reaches(7, ROUND + 9, 9) && !reaches(7, ROUND + 9, 10));
    }

    #[test]
    fn pushes_are_counted() {
        let progress = Progress::const_none();
        progress.start(SLOT, number(5));
        for count in 0..3 {
            let (next, after) = (progress.next_push(SLOT, false), progress.next_push(SLOT, true));
            assert_eq!((next.count(), after.count()), (count + 1, count + 2));
            progress.begin(SLOT, number(5));
            assert!(!progress.has_pushed(SLOT, next), "it has only begun");
            progress.complete(SLOT, number(5));
            assert!(progress.has_pushed(SLOT, next) && !progress.has_pushed(SLOT, after));
            assert!(!progress.has_pushed(SLOT + 1, Pushes(1)), "and nobody else's");
        }
    }

    #[test]
    fn pushes_compare_across_the_wrap() {
        assert_eq!(Pushes(0).cmp(Pushes(u32::MAX)), Order::Greater);
        assert_eq!(Pushes(u32::MAX).cmp(Pushes(0)), Order::Less);
        assert_eq!(Pushes(7).cmp(Pushes(7)), Order::Equal);
        let progress = Progress::const_none();
        progress.pushes[SLOT].store(u32::MAX, Ordering::Relaxed);
        let (next, after) = (progress.next_push(SLOT, false), progress.next_push(SLOT, true));
        assert_eq!((next, after), (Pushes(0), Pushes(1)));
        assert!(!progress.has_pushed(SLOT, next));
        progress.complete(SLOT, number(0));
        assert!(progress.has_pushed(SLOT, next) && !progress.has_pushed(SLOT, after));
    }
}
