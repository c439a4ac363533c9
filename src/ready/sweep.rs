//! The default ready set: an atomic bitmap with a rotating cursor.

use super::{Popped, ReadySet};
use crate::storage::{Bits, OnHeap};
use crate::sync::{AtomicUsize, Ordering};

const BITS: usize = usize::BITS as usize;

/// Round robin over the banks: one bit for each, swept by a cursor.
///
/// Lock-free: an operation that has to try again does so because another one succeeded. It never
/// spins on a stalled peer, never allocates, and can be used from an interrupt handler.
///
/// Where the bitmap has more than one word, a summary has one bit for each of its words, so that
/// the cost does not grow with the number of clients: on a 64-bit target, `pop` and `is_empty` look
/// at one word for 1,024 clients, and at one word of the summary for each 65,536.
#[derive(Debug)]
pub struct Sweep<W: Bits = OnHeap> {
    bits: W,
    /// Bit *i* is set if word *i* of `bits` may be other than zero. Unused for a single word.
    summary: W,
    /// The bank after the one popped last. With one word, it is the mask of that bank and those
    /// after it; and it is left as it is when a bank is popped that was alone. A hint: any value
    /// gives a correct pop, this one gives turns.
    cursor: AtomicUsize,
}

impl<W: Bits> Sweep<W> {
    fn words(&self) -> &[AtomicUsize] {
        self.bits.words()
    }

    /// The part of the summary that has the bit of a word.
    #[inline]
    fn summary_of(&self, index: usize) -> &AtomicUsize {
        let summary = &self.summary;
        if summary.is_one() { summary.only() } else { &summary.words()[index / BITS] }
    }

    /// The word at which a sweep with this cursor begins. (No division: it would cost more than the
    /// rest of a lease does here.)
    #[inline]
    fn word_of(&self, cursor: usize) -> usize {
        let word = cursor / BITS;
        if word < self.words().len() { word } else { 0 }
    }

    /// Whether every word is zero. Reads the whole summary: a search for a bit from the cursor
    /// takes several times as long.
    #[inline]
    fn is_summary_empty(&self) -> bool {
        // Relaxed: as in `candidate`.
        if self.summary.is_one() {
            return self.summary.only().load(Ordering::Relaxed) == 0;
        }
        let summary = self.summary.words().iter();
        summary.fold(0, |all, word| all | word.load(Ordering::Relaxed)) == 0
    }

    /// Whether a set that has many words is empty. Not inlined with [`ReadySet::is_empty`], which
    /// each publish and each lease calls.
    #[inline(never)]
    fn are_all_empty(&self) -> bool {
        if self.is_summary_empty() {
            return true;
        }
        // From the cursor on, because behind it the summary tends to be out of date.
        let start = self.word_of(self.cursor.load(Ordering::Relaxed));
        // Relaxed: as in `is_empty`.
        let holds = |word: usize| self.words()[word].load(Ordering::Relaxed) != 0;
        self.search(start, usize::MAX, |word, _| holds(word).then_some(())).is_none()
    }

    /// The first of the words `from..to` that may be other than zero.
    #[inline]
    fn candidate(&self, from: usize, to: usize) -> Option<usize> {
        let mut next = from;
        while next < to {
            // Relaxed: coherence shows what was inserted before, and `clear_summary` what is not.
            let ahead = self.summary_of(next).load(Ordering::Relaxed) >> (next % BITS);
            if ahead != 0 {
                next += ahead.trailing_zeros() as usize;
                break;
            }
            next += BITS - next % BITS;
        }
        (next < to).then_some(next)
    }

    /// Calls `look` with the words that may be other than zero, and which of their banks are meant,
    /// until it finds something: first those `ahead` in the word `start`, then the words after it,
    /// then those from the beginning on, and last the whole word `start`.
    #[inline]
    fn search<T>(
        &self,
        start: usize,
        ahead: usize,
        mut look: impl FnMut(usize, usize) -> Option<T>,
    ) -> Option<T> {
        for (from, to, of_start) in [(start, self.words().len(), ahead), (0, start + 1, usize::MAX)]
        {
            let mut next = from;
            while let Some(word) = self.candidate(next, to) {
                let found = look(word, if word == start { of_start } else { usize::MAX });
                if found.is_some() {
                    return found;
                }
                next = word + 1;
            }
        }
        None
    }

    /// The lowest bank of a word that is in `banks`, behind the word as it was.
    #[inline]
    fn lowest_of(&self, index: usize, banks: usize, hidden: &mut usize) -> Option<(usize, usize)> {
        loop {
            // Relaxed: coherence shows what was inserted before. `remove` decides, or the caller
            // looks at the bank.
            let all = self.words()[index].load(Ordering::Relaxed);
            if all != 0 || !self.clear_summary(index, hidden) {
                return (all & banks != 0).then(|| (all, lowest(all & banks)));
            }
        }
    }

    /// Takes the lowest bank of a word that is in `banks`.
    #[inline]
    fn take(&self, index: usize, banks: usize, hidden: &mut usize) -> Option<usize> {
        while let Some((all, bank)) = self.lowest_of(index, banks, hidden) {
            if remove(&self.words()[index], all, bank) {
                return Some(index * BITS + bank.trailing_zeros() as usize);
            }
        }
        None
    }

    /// Takes the next bank of a set that has one word, from the cursor on.
    #[inline]
    fn take_of_one(&self) -> Option<usize> {
        let word = self.bits.only();
        loop {
            // Relaxed: `remove` decides. Tested first, because one lane is usually empty.
            let all = word.load(Ordering::Relaxed);
            if all == 0 {
                return None;
            }
            let ahead = all & self.cursor.load(Ordering::Relaxed); // a hint, see the field
            let bank = if ahead == 0 { lowest(all) } else { lowest(ahead) };
            if remove(word, all, bank) {
                // An only bank passes over no other, and the next exchange need not wait for the
                // store.
                if all != bank {
                    self.cursor.store(bank.wrapping_neg() << 1, Ordering::Relaxed);
                }
                return Some(bank.trailing_zeros() as usize);
            }
        }
    }

    /// Takes the next bank in the order of [`search`](Self::search).
    fn sweep(&self, start: usize, ahead: usize) -> Option<Popped> {
        let mut hidden = 0;
        // As a rule the round goes on in the same word. Relaxed: `take` decides.
        if self.words()[start].load(Ordering::Relaxed) & ahead != 0
            && let Some(bank) = self.take(start, ahead, &mut hidden)
        {
            return Some(Popped { bank, hidden });
        }
        let bank = self.search(start, ahead, |word, banks| self.take(word, banks, &mut hidden))?;
        Some(Popped { bank, hidden })
    }

    /// The lowest bank of the set. It stays in the set.
    pub(crate) fn first(&self) -> Option<usize> {
        if self.bits.is_one() {
            let banks = self.bits.only().load(Ordering::Relaxed); // as in `lowest_of`
            return (banks != 0).then(|| banks.trailing_zeros() as usize);
        }
        self.search(0, usize::MAX, |word, banks| {
            let (_, bank) = self.lowest_of(word, banks, &mut 0)?;
            Some(word * BITS + bank.trailing_zeros() as usize)
        })
    }

    /// Takes `bank` out of the set, if it is there. The caller looks at the bank afterwards.
    pub(crate) fn discard(&self, bank: usize) {
        let word = if self.bits.is_one() { self.bits.only() } else { &self.words()[bank / BITS] };
        // Acquire: synchronizes with the Release of `insert_many`, so that the look sees why this
        // bank was inserted. The summary stays as it is: a word that is empty is found out.
        word.fetch_and(!(1 << (bank % BITS)), Ordering::Acquire);
    }

    /// Clears the summary's bit of a word that was seen to be zero. True: something had been
    /// inserted meanwhile, and the bit is set again.
    ///
    /// Only a `pop` that has found nothing yet does this, never one that has just taken the last
    /// bank. The word is hidden from others for a moment, so the thread that hides it must look at
    /// it and report what it finds.
    fn clear_summary(&self, index: usize, hidden: &mut usize) -> bool {
        let (summary, bit) = (self.summary_of(index), 1 << (index % BITS));
        // Relaxed: a bit that is set since is that of an insert, which stays.
        if summary.load(Ordering::Relaxed) & bit == 0 {
            return false;
        }
        // Acquire: synchronizes with the Release of an `insert_many` whose summary bit this clears,
        // so that the load below sees its banks. One that comes later sets the bit again itself.
        summary.fetch_and(!bit, Ordering::Acquire);
        let word = self.words()[index].load(Ordering::Relaxed);
        if word == 0 {
            return false;
        }
        summary.fetch_or(bit, Ordering::Release);
        *hidden += word.count_ones() as usize;
        true
    }
}

/// The lowest bit.
#[inline]
const fn lowest(bits: usize) -> usize {
    bits & bits.wrapping_neg()
}

/// Takes a bank out of its word, which holds `all`. False: it has changed meanwhile.
///
/// An exchange, not `fetch_and`: for a single bit x86-64 has an instruction of its own, which is
/// slower.
#[inline]
fn remove(word: &AtomicUsize, all: usize, bank: usize) -> bool {
    // Acquire: synchronizes with the Release of `insert_many`.
    let taken = word.compare_exchange_weak(
        all,
        all ^ bank,
        Ordering::Acquire,
        Ordering::Relaxed, // tried again
    );
    taken.is_ok()
}

#[cfg(feature = "alloc")]
impl Sweep {
    /// A set for `banks` banks that holds the first `held` of them.
    pub(crate) fn holding(held: usize, banks: usize) -> Self {
        let set = <Sweep as super::WithBanks>::with_banks(banks);
        (0..banks.div_ceil(BITS))
            .for_each(|word| set.insert_many(word * BITS, word_of_first(held, word)));
        set
    }
}

#[cfg(not(loom))]
impl<const WORDS: usize> Sweep<[AtomicUsize; WORDS]> {
    /// A set that holds the first `held` banks.
    pub(crate) const fn const_holding(held: usize) -> Self {
        let mut set = <Self as super::ConstReady>::EMPTY;
        let mut word = 0;
        while word < WORDS {
            set.bits[word] = AtomicUsize::new(word_of_first(held, word));
            // A bit for each word that is in use.
            set.summary[word] = AtomicUsize::new(word_of_first(held.div_ceil(BITS), word));
            word += 1;
        }
        set
    }
}

/// Word number `word` of a bitmap whose first `held` bits are set.
const fn word_of_first(held: usize, word: usize) -> usize {
    let inside = held.saturating_sub(word * BITS);
    if inside >= BITS { usize::MAX } else { (1 << inside) - 1 }
}

impl<W: Bits> ReadySet for Sweep<W> {
    fn insert(&self, bank: usize) {
        self.insert_many(bank - bank % BITS, 1 << (bank % BITS));
    }

    fn insert_many(&self, first: usize, mask: usize) {
        let index = first / BITS;
        let one = self.bits.is_one();
        let word = if one { self.bits.only() } else { &self.words()[index] };
        // Release: synchronizes with the Acquire in `remove`, also when the bits are set already,
        // because each read-modify-write continues the release sequence.
        word.fetch_or(mask, Ordering::Release);
        if !one {
            // Release: with the Acquire in `clear_summary`. Not skipped when the bit is set: a
            // thread that clears it could then miss what was inserted above.
            self.summary_of(index).fetch_or(1 << (index % BITS), Ordering::Release);
        }
    }

    #[inline]
    fn pop(&self) -> Option<Popped> {
        if self.bits.is_one() {
            return Some(Popped { bank: self.take_of_one()?, hidden: 0 });
        }
        // As a rule one of a queue's lanes is empty.
        if self.is_summary_empty() {
            return None;
        }
        let cursor = self.cursor.load(Ordering::Relaxed); // as in `take_of_one`
        let popped = self.sweep(self.word_of(cursor), usize::MAX << (cursor % BITS))?;
        self.cursor.store(popped.bank + 1, Ordering::Relaxed);
        Some(popped)
    }

    fn pass(&self, bank: usize) {
        // The cursor moves behind the bank, as if it had been popped.
        let cursor =
            if self.bits.is_one() { (1_usize << bank).wrapping_neg() << 1 } else { bank + 1 };
        self.cursor.store(cursor, Ordering::Relaxed);
    }

    #[inline]
    fn is_empty(&self) -> bool {
        if self.bits.is_one() {
            // Relaxed: coherence shows an insert that happened before, and only that is promised.
            return self.bits.only().load(Ordering::Relaxed) == 0;
        }
        self.are_all_empty()
    }
}

#[cfg(feature = "alloc")]
impl super::WithBanks for Sweep {
    fn with_banks(banks: usize) -> Self {
        use crate::storage::bits;
        let words = bits(banks);
        let summary = bits(words.words().len());
        Sweep { bits: words, summary, cursor: AtomicUsize::new(0) }
    }
}

#[cfg(not(loom))]
impl<const WORDS: usize> super::ConstReady for Sweep<[AtomicUsize; WORDS]> {
    const EMPTY: Self = {
        Sweep {
            bits: [const { AtomicUsize::new(0) }; WORDS],
            summary: [const { AtomicUsize::new(0) }; WORDS],
            cursor: AtomicUsize::new(0),
        }
    };
    const BANKS: usize = WORDS * BITS;
}

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::super::WithBanks;
    use super::*;

    fn pop(set: &Sweep) -> Option<usize> {
        set.pop().map(|popped| popped.bank)
    }

    /// Whatever the cursor, every bank comes out, in a round from the cursor on.
    #[test]
    fn a_round_begins_at_the_cursor_and_leaves_nobody_out() {
        let words_and_more = [1, BITS - 1, BITS, BITS + 1, 3 * BITS];
        let summaries = [BITS * BITS, BITS * BITS + 7, 2 * BITS * BITS];
        for banks in words_and_more.into_iter().chain(summaries) {
            let some = [0, 1, BITS - 1, BITS, BITS + 1, 2 * BITS, 3 * BITS - 1, BITS * BITS + 6];
            let some = || some.into_iter().filter(|&bank| bank < banks);
            for last in some() {
                let set = Sweep::with_banks(banks);
                some().for_each(|bank| set.insert(bank));
                while pop(&set) != Some(last) {}
                if set.is_empty() {
                    continue; // it was alone in the end, and may be first in the next round
                }
                some().for_each(|bank| set.insert(bank));
                for bank in some().filter(|&bank| bank > last).chain(some().filter(|&b| b <= last))
                {
                    assert!(!set.is_empty());
                    assert_eq!(pop(&set), Some(bank), "after {last} of {banks}");
                }
                assert!(set.is_empty() && pop(&set).is_none());
                // A word alone, before and behind the cursor.
                for bank in some() {
                    set.insert(bank);
                    assert_eq!(pop(&set), Some(bank), "alone, of {banks}");
                }
            }
        }
    }

    #[test]
    fn a_bank_that_was_passed_waits_for_the_others() {
        for banks in [BITS, BITS * BITS + 7] {
            let set = Sweep::with_banks(banks);
            for passed in [0, 5, BITS - 1] {
                let next = (passed + 1) % banks.min(BITS + 1);
                [passed, next].into_iter().for_each(|bank| set.insert(bank));
                set.pass(passed);
                assert_eq!([(); 2].map(|()| pop(&set)), [Some(next), Some(passed)]);
            }
        }
    }

    fn summary(set: &Sweep) -> std::vec::Vec<usize> {
        set.summary.words().iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn a_pop_that_finds_nothing_clears_the_summary() {
        let set = Sweep::with_banks(BITS * BITS + 7);
        for word in [0, 1, BITS - 1, BITS] {
            set.insert_many(word * BITS, 0b101);
            assert_eq!([0, 2].map(|_| pop(&set)), [0, 2].map(|bank| Some(word * BITS + bank)));
            assert_eq!(summary(&set)[word / BITS], 1 << (word % BITS), "out of date, and no harm");
            assert_eq!(pop(&set), None);
            assert_eq!(summary(&set), [0, 0]);
        }
    }

    #[test]
    fn two_words_that_are_the_same_are_two() {
        let set = Sweep::with_banks(BITS * BITS + 7);
        for bank in [0, BITS * BITS] {
            set.insert(bank);
        }
        assert_eq!(summary(&set), [1, 1]);
        assert!(!set.is_empty());
        assert_eq!([(); 3].map(|()| pop(&set)), [Some(0), Some(BITS * BITS), None]);
    }

    #[test]
    fn what_is_found_stays_in_the_set_until_it_is_discarded() {
        for banks in [1, BITS, BITS + 1, 3 * BITS, BITS * BITS + 7] {
            let set = Sweep::with_banks(banks);
            let some = [0, 1, BITS - 1, BITS, 2 * BITS + 5, BITS * BITS + 6];
            let some: std::vec::Vec<_> = some.into_iter().filter(|&bank| bank < banks).collect();
            assert_eq!(set.first(), None);
            some.iter().for_each(|&bank| set.insert(bank));
            for (at, &bank) in some.iter().enumerate() {
                assert_eq!((set.first(), set.first()), (Some(bank), Some(bank)), "of {banks}");
                set.discard(bank);
                assert_eq!(set.first(), some.get(at + 1).copied());
            }
            assert!(set.is_empty());
            assert!(set.bits.is_one() || summary(&set).iter().all(|&word| word == 0), "put right");
        }
    }

    #[test]
    fn a_set_can_begin_with_its_first_banks() {
        for held in [0, 1, BITS - 1, BITS, BITS + 1, 3 * BITS] {
            let on_heap = Sweep::holding(held, 3 * BITS);
            let in_place = Sweep::<[AtomicUsize; 3]>::const_holding(held);
            let sets: [&dyn ReadySet; 2] = [&on_heap, &in_place];
            for set in sets {
                let banks = core::iter::from_fn(|| set.pop()).map(|popped| popped.bank);
                assert!(banks.eq(0..held), "{held}");
            }
        }
    }

    /// What another thread puts in after a word was found empty, and before its bit is cleared.
    #[test]
    fn what_was_hidden_for_a_moment_is_told_of() {
        let set = Sweep::with_banks(3 * BITS);
        let mut hidden = 0;
        for told in [2, 4] {
            set.insert_many(BITS, 0b11);
            assert!(set.clear_summary(1, &mut hidden));
            assert_eq!((hidden, summary(&set)), (told, [0b10].into()), "and can be found again");
        }
        assert!(!set.clear_summary(2, &mut hidden), "nothing was there");
        assert_eq!((hidden, pop(&set)), (4, Some(BITS)));
    }
}
