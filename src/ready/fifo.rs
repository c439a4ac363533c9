//! A ready set in arrival order, on the heap.

use alloc::boxed::Box;
use core::fmt;

use crossbeam_queue::ArrayQueue;

use super::{Popped, ReadySet, WithBanks};
use crate::storage::row;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Banks in the order in which they became ready, in a `crossbeam_queue::ArrayQueue`.
///
/// Not lock-free: the array queue spins, without yielding, while a peer that is in the middle of a
/// push or pop is stalled. Don't use it from interrupt handlers, nor where threads of different
/// priorities share a core; [`Sweep`](super::Sweep) has no such limits.
pub struct Fifo {
    order: ArrayQueue<usize>,
    /// Whether the bank is in `order`: keeps it there at most once, so that `order` can't overflow.
    queued: Box<[AtomicBool]>,
    /// How many inserts have begun and not been popped.
    len: AtomicUsize,
}

impl ReadySet for Fifo {
    fn insert(&self, bank: usize) {
        // Release, with the Acquire of the swap in `pop`: see the contract. A bank that is queued
        // already is answered for by the pop to come. Acquire: with the Release there, so that
        // `order` has room for the bank again.
        if self.queued[bank].swap(true, Ordering::AcqRel) {
            return;
        }
        // Relaxed: `is_empty` promises only inserts that happened before.
        self.len.fetch_add(1, Ordering::Relaxed);
        let pushed = self.order.push(bank);
        debug_assert!(pushed.is_ok(), "a bank is queued at most once");
    }

    fn pop(&self) -> Option<Popped> {
        let bank = self.order.pop()?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        // Cleared before the caller looks. Acquire: synchronizes with every `insert` whose swap
        // came before, also with those that found the bank queued. Release: orders the pop from
        // `order` before the next push of this bank.
        self.queued[bank].swap(false, Ordering::AcqRel);
        Some(Popped { bank, hidden: 0 })
    }

    fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }
}

impl WithBanks for Fifo {
    fn with_banks(banks: usize) -> Self {
        Fifo {
            order: ArrayQueue::new(banks.max(1)),
            queued: row(banks, || AtomicBool::new(false)),
            len: AtomicUsize::new(0),
        }
    }
}

impl fmt::Debug for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fifo").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_bank_comes_once_in_the_order_of_arrival() {
        let set = Fifo::with_banks(3);
        for _ in 0..3 {
            assert!(set.is_empty() && set.pop().is_none());
            [2, 0, 2, 1, 0].into_iter().for_each(|bank| set.insert(bank));
            for bank in [2, 0, 1] {
                assert!(!set.is_empty());
                assert_eq!(set.pop(), Some(Popped { bank, hidden: 0 }));
            }
        }
        assert!(set.is_empty());
    }
}
