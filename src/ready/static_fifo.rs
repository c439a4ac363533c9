//! A ready set in arrival order, without a heap.

#![expect(
    deprecated,
    reason = "heapless deprecates its queue for not being lock-free; so do our docs"
)]

use core::fmt;
use core::hint;

use heapless::mpmc::Queue;

use super::{Popped, ReadySet};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Banks in the order in which they became ready, in a `heapless` queue of `N` places.
///
/// `N` is a power of two, at least 2 and at least the number of banks; a smaller one is refused
/// when the queue is compiled:
///
/// ```compile_fail
/// use pushlane::{Config, StaticQueue, backlog::Dirty, ready::StaticFifo};
///
/// static QUEUE: StaticQueue<Dirty, 3, 0, 1, StaticFifo<2>> = StaticQueue::const_new(Config::new(9));
/// # fn main() { let _ = QUEUE.register(); }
/// ```
///
/// Not lock-free: while a peer is stalled in the middle of an operation the heapless queue may
/// claim to be full or empty when it is not. `insert` then tries again, and `pop` may return `None`
/// for a bank whose insert has not ended. Don't use it from interrupt handlers: use
/// [`Sweep`](super::Sweep).
pub struct StaticFifo<const N: usize> {
    order: Queue<u32, N>,
    /// Whether the bank is in `order`: keeps it there at most once, so that `order` can't overflow.
    queued: [AtomicBool; N],
    /// How many inserts have begun and not been popped.
    len: AtomicUsize,
}

impl<const N: usize> ReadySet for StaticFifo<N> {
    fn insert(&self, bank: usize) {
        // As in `Fifo::insert`.
        if self.queued[bank].swap(true, Ordering::AcqRel) {
            return;
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        // Full can only be a false alarm, because each bank is queued at most once.
        while self.order.enqueue(bank as u32).is_err() {
            hint::spin_loop();
        }
    }

    fn pop(&self) -> Option<Popped> {
        let bank = self.order.dequeue()? as usize;
        self.len.fetch_sub(1, Ordering::Relaxed);
        // As in `Fifo::pop`.
        self.queued[bank].swap(false, Ordering::AcqRel);
        Some(Popped { bank, hidden: 0 })
    }

    fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }
}

impl<const N: usize> StaticFifo<N> {
    /// An empty set for up to `N` banks.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        StaticFifo {
            order: Queue::new(),
            queued: [const { AtomicBool::new(false) }; N],
            len: AtomicUsize::new(0),
        }
    }
}

#[cfg(not(loom))]
impl<const N: usize> Default for StaticFifo<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(loom))]
impl<const N: usize> super::ConstReady for StaticFifo<N> {
    const EMPTY: Self = StaticFifo::new();
    const BANKS: usize = N;
}

impl<const N: usize> fmt::Debug for StaticFifo<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticFifo").field("len", &self.len).finish_non_exhaustive()
    }
}
