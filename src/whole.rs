//! Marks of whole banks: a level above the banks' words.
//!
//! A publisher that concerns everybody in many banks need not exchange the word of each. It marks the banks here, a block of
//! them by one exchange, and whoever comes to a bank next carries the mark down into its word. (Lazy propagation, as in
//! a segment tree.) Until then the bank is to be looked at as if that had been done.
//!
//! A block is one machine word, and has its planes as a bank's word has: bit *i* of each belongs to bank *i* of the block.
//!
//! ```text
//!     63                48 47                32 31            16 15            0
//!     |  carrying normal  |  carrying urgent  |  marked normal  |  marked urgent |
//! ```
//!
//! A mark is *carried* from when it is taken to when the bank's word has been changed, so there is no moment in which neither
//! says it. One carries, the others go on. Whoever marks a bank meanwhile is told so, and marks its word: the one who
//! carries may have changed that before, and nobody has to wait for it.

use crate::slot::{Lane, SLOTS};
use crate::storage::Storage;
use crate::sync::{AtomicUsize, Ordering};

/// How many neighbouring banks must be concerned as a whole for it to be worth while: carrying down costs three exchanges
/// a bank. A queue with fewer banks has no marks of this kind. (A model sets it, to try them on one bank.)
#[cfg(not(loom))]
pub(crate) const fn worth() -> usize {
    8
}
#[cfg(loom)]
pub(crate) use crate::inside::worth;

const CARRYING: usize = 2 * SLOTS;

#[inline]
const fn plane(lane: Lane) -> usize {
    match lane {
        Lane::Urgent => 0,
        Lane::Normal => SLOTS,
    }
}

/// The marks of whole banks.
pub(crate) struct Whole<S: Storage>(S::Blocks<AtomicUsize>);

impl<S: Storage> Whole<S> {
    pub(crate) const fn new(blocks: S::Blocks<AtomicUsize>) -> Self {
        Whole(blocks)
    }

    #[inline]
    fn block_of(&self, bank: usize) -> Option<&AtomicUsize> {
        self.0.as_ref().get(bank / SLOTS)
    }

    /// Whether there is room for marks.
    #[inline]
    pub(crate) fn is_possible(&self) -> bool {
        !self.0.as_ref().is_empty()
    }

    /// Marks those banks of a block for which `banks` has bits, but for those that are being carried to at the moment: the
    /// answer has their bits, and they must be marked by their words.
    pub(crate) fn mark(&self, block: usize, banks: usize, lane: Lane) -> usize {
        let Some(block) = self.0.as_ref().get(block) else { return banks };
        let mut word = block.load(Ordering::Relaxed);
        loop {
            let carried = word >> (CARRYING + plane(lane)) & banks;
            // Also where all is marked already: whoever carries it down sees what this publisher wrote.
            match block.compare_exchange_weak(
                word,
                word | (banks & !carried) << plane(lane),
                Ordering::Release, // with `begin`
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return carried,
                Err(now) => word = now,
            }
        }
    }

    /// Whether a mark of the bank is not in its word yet: in the urgent lane, in the normal one.
    #[inline]
    pub(crate) fn marks(&self, bank: usize) -> [bool; 2] {
        let Some(block) = self.block_of(bank) else { return [false; 2] };
        // Acquire: with `end`. Who finds no mark goes on to look at the bank, and must see it there.
        let word = block.load(Ordering::Acquire);
        let any = (word | word >> CARRYING) >> (bank % SLOTS);
        [Lane::Urgent, Lane::Normal].map(|lane| any >> plane(lane) & 1 != 0)
    }

    /// Takes a mark, to be carried down. False: there is none, or somebody else carries.
    pub(crate) fn begin(&self, bank: usize, lane: Lane) -> bool {
        let mark = 1 << (bank % SLOTS + plane(lane));
        let Some(block) = self.block_of(bank) else { return false };
        let mut word = block.load(Ordering::Relaxed);
        while word & mark != 0 && word & mark << CARRYING == 0 {
            match block.compare_exchange_weak(
                word,
                word & !mark | mark << CARRYING,
                Ordering::Acquire, // with `mark`: the bank's word hands on what the publisher wrote
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The mark that the caller took is in the bank's word.
    pub(crate) fn end(&self, bank: usize, lane: Lane) {
        if let Some(block) = self.block_of(bank) {
            let carrying = 1 << (bank % SLOTS + plane(lane) + CARRYING);
            block.fetch_and(!carrying, Ordering::Release); // with `marks`
        }
    }
}
