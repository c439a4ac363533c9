//! How far each client is: what its pushes have begun with, what they have completed, and which of them it was.

use core::cmp::Ordering as Order;

use crate::convergence::Seq;
use crate::slot::SLOTS;
use crate::sync::{Atomic, AtomicU16, AtomicU32, AtomicUsize, Ordering};

/// A push of a place, by its count among all that have ended, in the upper bits. It wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Push(u32);

/// Below the last push that was completed: how many have been given back since.
const GIVEN_BACK: u32 = (1 << 4) - 1;
const ONE: u32 = GIVEN_BACK + 1;

impl Push {
    #[cfg(all(test, not(loom)))]
    pub(crate) const fn from_count(count: u32) -> Self {
        Push(count.wrapping_mul(ONE))
    }

    pub(crate) const fn count(self) -> u32 {
        self.0 / ONE
    }

    /// The push after all that have ended, and after so `many` more.
    #[inline]
    const fn after(word: u32, many: u32) -> Self {
        let (completed, given_back) = (word & !GIVEN_BACK, word & GIVEN_BACK);
        Push(completed.wrapping_add((given_back + many + 1) * ONE))
    }

    /// As [`Seq::cmp`].
    #[inline]
    pub(crate) fn cmp(self, other: Push) -> Order {
        (self.0.wrapping_sub(other.0) as i32).cmp(&0)
    }
}

/// How far each slot of a bank is. Its owner writes, before it lets go of the slot.
///
/// Each part side by side for all slots: with the parts of a slot side by side, and with its seat, a push to one of a
/// million clients took longer (see docs/performance.md).
pub(crate) struct Progress {
    completed: [AtomicUsize; SLOTS],
    /// The last push that was completed, of whichever client, and how many have been given back since. (As many as there
    /// is room for: of those beyond that, who publishes meanwhile may wait for one push too many.)
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
    pub(crate) fn start(&self, slot: usize, number: Seq) {
        self.begin(slot, number);
        self.reach(slot, number);
    }

    /// The slot's owner begins a push that contains everything up to `number`.
    #[inline]
    pub(crate) fn begin(&self, slot: usize, number: Seq) {
        // Relaxed: the number is the message. Whoever reads an older one marks once too often.
        self.begun[slot].store(number.word() as u16, Ordering::Relaxed);
    }

    /// The slot's owner has pushed all that was marked when it claimed the slot, and everything up to `number`, with which
    /// it had begun.
    #[inline]
    pub(crate) fn complete(&self, slot: usize, number: Seq) {
        self.reach(slot, number);
        let pushes = &self.pushes[slot];
        // Relaxed: the bank's word has handed over what the last owner wrote.
        let push = Push::after(pushes.load(Ordering::Relaxed), 0);
        pushes.store(push.0, Ordering::Release); // with `has_pushed`, as in `reach`
    }

    /// The slot's owner gives its push back.
    pub(crate) fn give_back(&self, slot: usize) {
        let pushes = &self.pushes[slot];
        let word = pushes.load(Ordering::Relaxed); // as in `complete`
        if word & GIVEN_BACK < GIVEN_BACK {
            // Release: with `has_pushed`. The word still tells of the last push that was completed, and whoever reads it
            // here must see what was done in that.
            pushes.store(word + 1, Ordering::Release);
        }
    }

    #[inline]
    fn reach(&self, slot: usize, number: Seq) {
        // Release: with the Acquire of `has_completed`; a checker that sees the number sees all that was
        // done to earn it.
        self.completed[slot].store(number.word(), Ordering::Release);
    }

    /// Whether `number` needs no mark of a live slot: the client has completed it, or its last push
    /// contains it and is in progress, or has been given back and so is pending.
    pub(crate) fn has_begun(&self, slot: usize, number: Seq) -> bool {
        // In this order, and Acquire: with the Release in `reach`, before which the push had begun. So the
        // second is never behind the first, and a newer one only says more.
        let completed = self.completed[slot].load(Ordering::Acquire);
        let begun = self.begun[slot].load(Ordering::Relaxed);
        let ahead = begun.wrapping_sub(completed as u16) as usize;
        Seq::from_word(completed.wrapping_add(ahead)).cmp(number).is_ge()
    }

    #[inline]
    pub(crate) fn has_completed(&self, slot: usize, number: Seq) -> bool {
        let completed = Seq::from_word(self.completed[slot].load(Ordering::Acquire)); // with `reach`
        completed.cmp(number).is_ge()
    }

    /// The first push that is sure to contain what has just been marked, while the slot was `in_progress` or not.
    ///
    /// A push that was in progress at the mark had been claimed before it, so it takes the one after that.
    #[inline]
    pub(crate) fn next_push(&self, slot: usize, in_progress: bool) -> Push {
        // Relaxed, after the mark: the bank's word shows what had ended before that. What has ended since makes it a push
        // later.
        Push::after(self.pushes[slot].load(Ordering::Relaxed), in_progress.into())
    }

    /// Whether this push, or a later one, has been completed.
    #[inline]
    pub(crate) fn has_pushed(&self, slot: usize, push: Push) -> bool {
        let completed = self.pushes[slot].load(Ordering::Acquire) & !GIVEN_BACK; // with `complete`
        Push(completed).cmp(push).is_ge()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SLOT: usize = 3;

    const fn number(word: usize) -> Seq {
        Seq::from_word(word)
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

    /// What a publish would wait for now, between pushes or while one is in progress.
    fn next(progress: &Progress) -> [u32; 2] {
        [false, true].map(|in_progress| progress.next_push(SLOT, in_progress).count())
    }

    fn has_pushed(progress: &Progress, counts: [u32; 3]) -> [bool; 3] {
        counts.map(|count| progress.has_pushed(SLOT, Push::from_count(count)))
    }

    #[test]
    fn pushes_are_counted() {
        let progress = Progress::const_none();
        progress.start(SLOT, number(5));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [0, 1, 2])),
            ([1, 2], [true, false, false])
        );
        progress.begin(SLOT, number(5));
        progress.complete(SLOT, number(5));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [0, 1, 2])),
            ([2, 3], [true, true, false])
        );
        assert!(!progress.has_pushed(SLOT + 1, Push::from_count(1)), "and nobody else's");
    }

    #[test]
    fn a_push_that_is_given_back_counts_with_the_next_that_is_completed() {
        let progress = Progress::const_none();
        progress.complete(SLOT, number(0));
        for given_back in 1..4 {
            progress.give_back(SLOT);
            assert_eq!(next(&progress), [2 + given_back, 3 + given_back]);
            assert_eq!(has_pushed(&progress, [1, 2, 3]), [true, false, false]);
        }
        progress.complete(SLOT, number(0));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [4, 5, 6])),
            ([6, 7], [true, true, false])
        );
    }

    #[test]
    fn after_many_that_are_given_back_the_next_one_counts_less() {
        let progress = Progress::const_none();
        (0..100).for_each(|_| progress.give_back(SLOT));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [0, 1, 2])),
            ([16, 17], [true, false, false])
        );
        progress.complete(SLOT, number(0));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [15, 16, 17])),
            ([17, 18], [true, true, false])
        );
    }

    #[test]
    fn pushes_compare_across_the_wrap() {
        const LAST: u32 = u32::MAX / ONE;
        let progress = Progress::const_none();
        progress.pushes[SLOT].store(Push::from_count(LAST).0, Ordering::Relaxed);
        assert_eq!(
            (next(&progress), has_pushed(&progress, [LAST, 0, 1])),
            ([0, 1], [true, false, false])
        );
        progress.give_back(SLOT);
        assert_eq!(
            (next(&progress), has_pushed(&progress, [LAST, 0, 1])),
            ([1, 2], [true, false, false])
        );
        progress.complete(SLOT, number(0));
        assert_eq!(
            (next(&progress), has_pushed(&progress, [LAST, 1, 2])),
            ([2, 3], [true, true, false])
        );
    }
}
