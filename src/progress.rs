//! How far each client is: the number with which its push began, the number it has completed, and
//! the count of its pushes.

use crate::convergence::{QUARTER, Seq, WRAPS};
use crate::slot::SLOTS;
use crate::sync::{AtomicU16, AtomicU32, AtomicUsize, Ordering, array, const_fn};

/// A push of a place, by its count among all that have ended, in the upper bits. It wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Push(u32);

/// Below the last push that was completed: how many have been given back since.
const GIVEN_BACK: u32 = (1 << 4) - 1;
const ONE: u32 = GIVEN_BACK + 1;
/// How far ahead of the last completed push a publish may wait for one: beyond those given back,
/// and one in progress.
const FARTHEST: u32 = GIVEN_BACK + 2;

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

    /// Whether it comes after another push of the same place, with counts that wrap.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_after(self, other: Push) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }
}

/// In place of a completed number: it would be older than a quarter of all numbers.
const NONE: usize = usize::MAX;
/// The same, and the owner is about to read the number that its push begins with.
const ENTERED: usize = usize::MAX - 1;
/// The same, above the number that the push in progress began with. Numbers leave this bit free.
const UNKNOWN: usize = 1 << (usize::BITS - 1);

/// Whether a completed number tells nothing.
const fn is_unknown(completed: usize) -> bool {
    WRAPS && completed & UNKNOWN != 0
}

/// How far each slot of a bank is. Its owner writes, before it lets go of the slot.
///
/// An array for each field: with a struct for each slot, a push among a million clients takes
/// longer.
pub(crate) struct Progress {
    completed: [AtomicUsize; SLOTS],
    /// The count of the last completed push, of any client of the slot, and how many were given
    /// back since. That count saturates; then a publish waits for one push more than it must.
    pushes: [AtomicU32; SLOTS],
    /// The low bits of the number that the slot's last push contains, whether completed, in
    /// progress or given back. Never behind `completed`. A larger distance is read as a smaller
    /// one, which costs a redundant mark.
    begun: [AtomicU16; SLOTS],
}

impl Progress {
    const_fn! {
        pub(crate) const fn none() -> Self {
            Progress {
                completed: array![AtomicUsize::new(0); SLOTS],
                pushes: array![AtomicU32::new(0); SLOTS],
                begun: array![AtomicU16::new(0); SLOTS],
            }
        }
    }

    /// The slot's newcomer owes nothing up to `newest`.
    pub(crate) fn start(&self, slot: usize, newest: impl Fn() -> Seq) {
        if WRAPS {
            self.completed[slot].store(NONE, Ordering::Relaxed); // `enter` replaces it
        }
        let number = self.enter(slot, newest(), newest);
        self.begin(slot, number);
        self.reach(slot, number);
    }

    /// The slot's owner will begin a push with `seen`, or with what this returns in its place.
    ///
    /// A lease may last for any time, so its number may wrap meanwhile. A slot's number is replaced
    /// only while [`age`](Progress::age) watches it. If there is none, a mark is stored first, and
    /// the number is read again until no `age` came in between.
    #[inline]
    pub(crate) fn enter(&self, slot: usize, seen: Seq, newest: impl Fn() -> Seq) -> Seq {
        let completed = &self.completed[slot];
        if !WRAPS || completed.load(Ordering::Relaxed) != NONE {
            return seen;
        }
        loop {
            completed.store(ENTERED, Ordering::Relaxed); // what counts is the exchange
            let seen = newest();
            let entered = completed.compare_exchange(
                ENTERED,
                UNKNOWN | seen.word(),
                Ordering::Relaxed, // nothing is handed over by it
                Ordering::Relaxed, // retried
            );
            if entered.is_ok() {
                return seen;
            }
        }
    }

    /// Forgets the numbers that are older than a quarter of all. Called for each bank in turn, so
    /// that a number that is kept is never much older, and compares rightly.
    ///
    /// Any thread may call it at any time: it only turns an unchanged number into none. Versions
    /// older than the next push of such a client wait for that push.
    pub(crate) fn age(&self, now: Seq) {
        let oldest = now.before(QUARTER);
        for completed in &self.completed {
            let word = completed.load(Ordering::Relaxed);
            let number = Seq::from_word(word & !UNKNOWN);
            if word != NONE && (word == ENTERED || number.cmp(oldest).is_lt()) {
                // Relaxed: no decision rests on it. If the exchange fails, the number is new.
                let _ =
                    completed.compare_exchange(word, NONE, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// The slot's owner begins a push that contains everything up to `number`.
    #[inline]
    pub(crate) fn begin(&self, slot: usize, number: Seq) {
        // Relaxed: the number is the message. A reader of an older one marks redundantly.
        self.begun[slot].store(number.word() as u16, Ordering::Relaxed);
    }

    /// The slot's owner has completed its push, which began with `number`.
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
            // Release: with `has_pushed`. The word still tells of the last completed push, and the
            // reader must see what happened in it.
            pushes.store(word + 1, Ordering::Release);
        }
    }

    /// Stores the number that the slot has completed, unless its number was forgotten since
    /// `enter`: that may be so long ago that this one would compare wrongly.
    ///
    /// Release: with the Acquire of `has_completed`. A checker that sees the number sees all that
    /// was done to earn it.
    #[inline]
    fn reach(&self, slot: usize, number: Seq) {
        let completed = &self.completed[slot];
        if !WRAPS {
            return completed.store(number.word(), Ordering::Release);
        }
        let mut word = completed.load(Ordering::Relaxed);
        while word != NONE {
            match completed.compare_exchange_weak(
                word,
                number.word(),
                Ordering::Release, // as above
                Ordering::Relaxed, // retried
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Whether `number` needs no mark of a live slot: the client has completed it, or its last push
    /// contains it and is in progress, or has been given back and so is pending.
    pub(crate) fn has_begun(&self, slot: usize, number: Seq) -> bool {
        // In this order, and Acquire: with the Release in `reach`, before which the push had begun.
        // So the second is never behind the first, and a newer one only says more.
        let completed = self.completed[slot].load(Ordering::Acquire);
        let begun = self.begun[slot].load(Ordering::Relaxed);
        if is_unknown(completed) {
            return false;
        }
        let ahead = begun.wrapping_sub(completed as u16) as usize;
        Seq::from_word(completed.wrapping_add(ahead)).cmp(number).is_ge()
    }

    #[inline]
    pub(crate) fn has_completed(&self, slot: usize, number: Seq) -> bool {
        let completed = self.completed[slot].load(Ordering::Acquire); // with `reach`
        !is_unknown(completed) && Seq::from_word(completed).cmp(number).is_ge()
    }

    /// The first push that is sure to contain what has just been marked, while the slot was
    /// `in_progress` or not.
    ///
    /// A push that was in progress at the mark had been claimed before it, so it takes the one
    /// after that.
    #[inline]
    pub(crate) fn next_push(&self, slot: usize, in_progress: bool) -> Push {
        // Relaxed, after the mark: the bank's word shows what had ended before that. What has ended
        // since makes it a push later.
        Push::after(self.pushes[slot].load(Ordering::Relaxed), in_progress.into())
    }

    /// Whether this push, or a later one, has been completed.
    ///
    /// A push that is waited for is one of the next few: see [`Push::after`]. So one that seems to
    /// be farther ahead was completed long ago, and the count has come round.
    #[inline]
    pub(crate) fn has_pushed(&self, slot: usize, push: Push) -> bool {
        let completed = self.pushes[slot].load(Ordering::Acquire) & !GIVEN_BACK; // with `complete`
        let ahead = push.0.wrapping_sub(completed) / ONE;
        !(1..=FARTHEST).contains(&ahead)
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
        let progress = Progress::none();
        let has = |word| {
            let number = number(word);
            assert!([SLOT - 1, SLOT + 1].iter().all(|&slot| !progress.has_begun(slot, number)));
            (progress.has_begun(SLOT, number), progress.has_completed(SLOT, number))
        };
        progress.start(SLOT, || number(5));
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
        let progress = Progress::none();
        let reaches = |completed, begun, of| {
            progress.start(SLOT, || number(completed));
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
        let progress = Progress::none();
        progress.start(SLOT, || number(5));
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
        let progress = Progress::none();
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
        let progress = Progress::none();
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

    /// However many pushes have ended since: a client that is always busy must not hold it back.
    #[test]
    fn a_push_that_was_waited_for_long_ago_has_been_completed() {
        let progress = Progress::none();
        let push = progress.next_push(SLOT, false);
        assert!(!progress.has_pushed(SLOT, push));
        for later in [1, 2, 1 << 27, (1 << 27) + 1, (1 << 28) - GIVEN_BACK - 3] {
            progress.pushes[SLOT].store(Push::from_count(later).0, Ordering::Relaxed);
            assert!(progress.has_pushed(SLOT, push), "{later} pushes later");
        }
    }

    /// In steps of an eighth of all numbers, round and round.
    #[test]
    fn a_number_is_older_than_any_once_it_can_not_be_compared() {
        let progress = Progress::none();
        progress.start(SLOT, || number(5));
        for eighths in 1..20_usize {
            let now = number((5 + eighths.wrapping_mul(QUARTER / 2)) & (usize::MAX >> 1));
            progress.age(now);
            let oldest = now.before(QUARTER);
            assert!(!progress.has_completed(SLOT, now) && !progress.has_begun(SLOT, now));
            assert_eq!(progress.has_completed(SLOT, oldest), eighths <= 2);
        }
        // A push that begins and ends between two looks counts, and one that lasts does not.
        let now = number(7);
        assert_eq!(progress.enter(SLOT, number(6), || now), now, "it is read again");
        progress.complete(SLOT, now);
        assert!(progress.has_completed(SLOT, now));
        assert_eq!(progress.enter(SLOT, number(8), || now), number(8));
        for eighths in 1..20_usize {
            progress.age(number((8 + eighths.wrapping_mul(QUARTER / 2)) & (usize::MAX >> 1)));
        }
        progress.complete(SLOT, number(8));
        assert!(!progress.has_completed(SLOT, number(8)));
    }

    #[test]
    fn a_number_that_was_read_before_the_slot_was_looked_at_is_read_again() {
        let progress = Progress::none();
        let age = |now| progress.age(number(now));
        age(QUARTER + 1);
        let looks = core::cell::Cell::new(0);
        let newest = || {
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                age(2 * QUARTER);
            }
            number(looks.get())
        };
        assert_eq!(progress.enter(SLOT, number(9), newest), number(2));
        looks.set(0);
        progress.start(SLOT, newest);
        assert!(
            progress.has_completed(SLOT, number(2)) && !progress.has_completed(SLOT, number(3))
        );
    }

    #[test]
    fn pushes_compare_across_the_wrap() {
        const LAST: u32 = u32::MAX / ONE;
        let progress = Progress::none();
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
