//! The default ready set: an atomic bitmap with a rotating cursor.

use core::fmt;

use super::ReadySet;
use crate::storage::{Heap, Storage};
use crate::sync::{AtomicUsize, Ordering};

const BITS: usize = usize::BITS as usize;

/// Round robin over the banks: one bit for each, swept by a cursor.
///
/// Lock-free: an operation that has to try again does so because another one succeeded. It never spins
/// on a stalled peer, never allocates, and can be used from an interrupt handler.
///
/// Cost: `insert` is one `fetch_or`; `pop` looks at one word for every 64 banks it passes over, which is
/// one load for 1,024 clients.
pub struct Sweep<S: Storage = Heap> {
    bits: S::Bits,
    /// The bank after the one popped last. A hint: any value gives a correct pop, this one gives turns.
    cursor: AtomicUsize,
}

impl<S: Storage> ReadySet for Sweep<S> {
    fn insert(&self, bank: usize) {
        self.insert_many(bank - bank % BITS, 1 << (bank % BITS));
    }

    fn insert_many(&self, first: usize, mask: usize) {
        // Release: synchronizes with the Acquire of the `fetch_and` in `pop`, also when the bits are
        // set already, because each read-modify-write continues the release sequence.
        self.bits.as_ref()[first / BITS].fetch_or(mask, Ordering::Release);
    }

    fn pop(&self) -> Option<usize> {
        let words = self.bits.as_ref();
        // Relaxed: a stale cursor only changes the order of service.
        let cursor = self.cursor.load(Ordering::Relaxed) % (words.len() * BITS);
        let (first, bit) = (cursor / BITS, cursor % BITS);
        // The first word twice: from the cursor's bit on, and at the end what lies before it.
        for step in 0..=words.len() {
            let index = (first + step) % words.len();
            let mask = match step {
                0 => usize::MAX << bit,
                last if last == words.len() => !(usize::MAX << bit),
                _ => usize::MAX,
            };
            // Relaxed: the `fetch_and` below decides.
            let mut found = words[index].load(Ordering::Relaxed) & mask;
            while found != 0 {
                let lowest = found & found.wrapping_neg();
                // Acquire: synchronizes with the Release of `insert_many`.
                let before = words[index].fetch_and(!lowest, Ordering::Acquire);
                if before & lowest != 0 {
                    let bank = index * BITS + lowest.trailing_zeros() as usize;
                    self.cursor.store(bank + 1, Ordering::Relaxed);
                    return Some(bank);
                }
                // Somebody else popped it.
                found = before & mask & !(lowest | (lowest - 1));
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        // Relaxed: coherence shows an insert that happened before, and only that is promised.
        self.bits.as_ref().iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(feature = "alloc")]
impl super::WithBanks for Sweep<Heap> {
    fn with_banks(banks: usize) -> Self {
        use crate::sync::Atomic;
        Sweep { bits: Heap::bits(banks), cursor: AtomicUsize::zero() }
    }
}

#[cfg(not(loom))]
impl<const BANKS: usize, const TOPICS: usize, const WORDS: usize> super::ConstReady
    for Sweep<crate::storage::Static<BANKS, TOPICS, WORDS>>
{
    const EMPTY: Self = {
        use crate::sync::Atomic;
        Sweep { bits: [const { AtomicUsize::ZERO }; WORDS], cursor: AtomicUsize::ZERO }
    };
    const BANKS: usize = WORDS * BITS;
}

impl<S: Storage> fmt::Debug for Sweep<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep").field("empty", &self.is_empty()).finish_non_exhaustive()
    }
}
