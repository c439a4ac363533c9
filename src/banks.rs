//! [`Banks`]: all banks of a queue, spread over cache lines if they are few.
//!
//! Eight words share a cache line of 64 bytes, so threads at work on neighbouring banks contend for
//! it. Among many banks two threads seldom meet, and a line for each would make fan-outs fetch
//! eight times as many lines. So only small queues are spread. `docs/performance.md` has the
//! measurements; `--cfg pushlane_packed` turns this off.

use core::ops::Index;

use crate::bank::Bank;
#[cfg(feature = "alloc")]
use crate::slot::ALL;
use crate::slot::Lane;
use crate::storage::Storage;

/// How many words few banks are spread over at most: 16 KiB, half of a usual first-level cache.
#[cfg(feature = "alloc")]
const ROOM: usize = 2_048;

/// Eight words are a cache line. On 32-bit targets nothing is spread, as nothing is
/// [`CachePadded`](crate::storage::CachePadded).
#[cfg(feature = "alloc")]
const FARTHEST: u32 =
    if cfg!(all(target_pointer_width = "64", not(loom), not(pushlane_packed))) { 3 } else { 0 };

/// All banks of a queue.
pub(crate) struct Banks<S: Storage> {
    /// The banks, with unused words between them.
    words: S::Banks<Bank>,
    /// From one bank to the next it is 1 << `apart` words.
    apart: u32,
}

impl<S: Storage> Banks<S> {
    /// Side by side.
    #[cfg(not(loom))]
    pub(crate) const fn side_by_side(words: S::Banks<Bank>) -> Self {
        Banks { words, apart: 0 }
    }

    #[inline]
    fn apart(&self) -> u32 {
        // Static storage is never spread, and the compiler knows it.
        if S::ON_HEAP { self.apart } else { 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.words.as_ref().len() >> self.apart()
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bank> {
        self.words.as_ref().iter().step_by(1 << self.apart())
    }

    /// [`Bank::mark_many`] of those from `first` on. Of more than a word has bits the rest is left
    /// alone.
    #[inline]
    pub(crate) fn mark_many(
        &self,
        first: usize,
        masks: impl Iterator<Item = usize>,
        lane: Lane,
    ) -> (usize, usize) {
        let apart = self.apart();
        let words = self.words.as_ref().get(first << apart..).unwrap_or_default();
        let words = &words[..words.len().min((usize::BITS as usize) << apart)];
        if apart == 0 {
            // With a constant step the loop is as short as it can be.
            Bank::mark_many(words.iter(), masks, lane)
        } else {
            Bank::mark_many(words.chunks_exact(1 << apart).map(|bank| &bank[0]), masks, lane)
        }
    }
}

#[cfg(feature = "alloc")]
impl<R: crate::ready::ReadySet> Banks<crate::storage::Heap<R>> {
    /// As far apart as they may be.
    pub(crate) fn spread(banks: usize, mut make: impl FnMut(usize) -> Bank) -> Self {
        let mut apart = FARTHEST;
        while banks << apart > ROOM && apart > 0 {
            apart -= 1;
        }
        let mut words = 0..banks << apart;
        let make = || {
            let word = words.next().unwrap_or_default();
            let is_bank = word.is_multiple_of(1 << apart);
            if is_bank { make(word >> apart) } else { Bank::with_held(ALL) }
        };
        Banks { words: crate::storage::row(banks << apart, make), apart }
    }
}

impl<S: Storage> Index<usize> for Banks<S> {
    type Output = Bank;

    #[inline]
    fn index(&self, bank: usize) -> &Bank {
        &self.words.as_ref()[bank << self.apart()]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::slot::SLOTS;
    use crate::storage::{Heap, Static};

    /// How many words it is from a bank to the next.
    fn steps<S: Storage>(banks: &Banks<S>) -> usize {
        let [first, second] = [0, 1].map(|bank| core::ptr::from_ref(&banks[bank]).addr());
        (second - first) / size_of::<Bank>()
    }

    #[test]
    fn few_are_spread_over_the_room_of_many() {
        let spread = |banks| {
            let spread = Banks::<Heap>::spread(banks, Bank::with_held);
            assert_eq!((spread.len(), spread.iter().count()), (banks, banks));
            assert!(
                spread
                    .iter()
                    .zip(0..)
                    .all(|(bank, held)| { bank.load() == Bank::with_held(held & ALL).load() })
            );
            steps(&spread)
        };
        let steps = [2, 256, 257, 512, 1_024, 1_025, 5_000].map(spread);
        let expected = [8, 8, 4, 4, 2, 1, 1];
        assert_eq!(steps, if FARTHEST == 3 { expected } else { [1; 7] });
    }

    #[test]
    fn in_place_they_lie_side_by_side() {
        let banks = Banks::<Static<3>>::side_by_side([const { Bank::with_held(0) }; 3]);
        assert_eq!((banks.len(), steps(&banks), banks.iter().count()), (3, 1, 3));
        assert_eq!(banks[2].reserve(), Some(0));
        assert!(SLOTS > 1 && banks[1].reserve() == Some(0) && banks[2].reserve() == Some(1));
    }

    fn banks(banks: usize) -> Banks<Heap> {
        let banks = Banks::spread(banks, |_| Bank::with_held(0));
        for bank in banks.iter() {
            (0..SLOTS).for_each(|slot| assert_eq!(bank.reserve(), Some(slot)));
            (0..SLOTS).for_each(|slot| bank.admit(slot, None));
        }
        banks
    }

    /// Of 2,050 each lies beside the next, of 100 none.
    #[test]
    fn many_are_marked_from_any_on_and_no_more_than_a_word_has_bits() {
        const MOST: usize = usize::BITS as usize;
        for banks in [100, 2_050].map(banks) {
            let all = || core::iter::repeat(ALL);
            let waiting = |from: usize, to: usize| {
                banks.iter().take(to).skip(from).all(|bank| bank.load().waiting() != 0)
            };
            assert_eq!(banks.mark_many(3, all(), Lane::Normal), (usize::MAX, MOST * SLOTS));
            assert!(waiting(3, 3 + MOST));
            assert!(!waiting(2, 3) && !waiting(3 + MOST, 4 + MOST));
            let last = banks.len() - 2;
            assert_eq!(banks.mark_many(last, all(), Lane::Normal), (0b11, 2 * SLOTS));
            assert!(waiting(last, banks.len()));
            assert_eq!(banks.mark_many(banks.len(), all(), Lane::Normal), (0, 0));
        }
    }
}
