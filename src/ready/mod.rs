//! Sets of banks that hold a ready client. A bank is the word of [`SLOTS`](crate::SLOTS)
//! neighbouring clients; a slot is one of them.
//!
//! * [`Sweep`]: a bitmap swept round robin. Lock-free, no allocation, safe from interrupt handlers.
//! * `Fifo` (feature `crossbeam-queue`): arrival order; spins while a peer is stalled
//!   mid-operation.
//! * `StaticFifo` (feature `heapless`): arrival order without a heap.
//!
//! Whatever the set, the order of service is by *turns*: when a bank's turn comes, all its slots
//! that are ready then are served before the next bank's turn begins (see `lane.rs`).

#[cfg(feature = "crossbeam-queue")]
mod fifo;
pub(crate) mod lane;
#[cfg(feature = "heapless")]
mod static_fifo;
mod sweep;

#[cfg(feature = "crossbeam-queue")]
pub use fifo::Fifo;
#[cfg(feature = "heapless")]
pub use static_fifo::StaticFifo;
pub use sweep::Sweep;

/// A set of banks.
///
/// # Contract
///
/// * A bank is in the set at most once: inserting it again changes nothing, and the set can't
///   overflow.
/// * `pop` removes the bank *before* it returns, and the caller looks at the bank *afterwards*. An
///   `insert` that comes later puts it back, one that came earlier is answered by that look:
///   nothing slips between.
/// * `insert` is a read-modify-write with Release also when the bank is there already, and `pop`
///   acquires it: the caller's look at the bank sees every mark whose `insert` came before.
/// * `pop` may return `None` while another thread is in the middle of an operation on the set. Once
///   all operations have ended, `None` means empty.
pub trait ReadySet {
    /// Puts `bank` into the set.
    fn insert(&self, bank: usize);

    /// Puts into the set those of the `usize::BITS` banks from `first` on whose bit is set in
    /// `mask`.
    ///
    /// `first` is a multiple of `usize::BITS`.
    fn insert_many(&self, first: usize, mask: usize) {
        let mut rest = mask;
        while rest != 0 {
            self.insert(first + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }

    /// Takes a bank out of the set.
    fn pop(&self) -> Option<Popped>;

    /// `bank` is served without having been in the set, while others are in it. A set whose order
    /// is not that of arrival can let it wait for them when it is inserted next.
    fn pass(&self, bank: usize) {
        let _ = bank;
    }

    /// Whether nothing is in the set, as far as the caller can know: an `insert` that happened
    /// before is seen.
    fn is_empty(&self) -> bool;
}

/// A bank taken out of a [`ReadySet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    /// The bank.
    pub bank: usize,
    /// How many other banks this `pop` hid for a moment. Workers that looked in vain meanwhile must
    /// be notified of them. 0 for a set that never hides any.
    pub hidden: usize,
}

/// A ready set whose size is chosen when it is made.
#[cfg(feature = "alloc")]
pub trait WithBanks: ReadySet {
    /// An empty set for the banks `0..banks`.
    fn with_banks(banks: usize) -> Self;
}

/// A ready set that can be made in a constant.
#[cfg(not(loom))]
pub trait ConstReady: ReadySet {
    /// An empty set.
    const EMPTY: Self;
    /// How many banks it has room for. A queue with more is refused when it is compiled.
    const BANKS: usize;
}
