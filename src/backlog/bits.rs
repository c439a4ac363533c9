//! A fixed set of flags a client.

use crate::sync::{AtomicU32, Ordering};

use super::{Backlog, Everything, Merge};
use crate::slot::{SLOTS, slots};

/// `W` words of 32 flags a client: which of a fixed number of things changed. Merging is a union.
///
/// Lock-free, no allocation, `4 * W` bytes a client; safe from interrupt handlers. A publish
/// without any flag makes the client ready, and its lease is skipped: *empty means nothing*.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::Bits};
///
/// const ROUTES: u32 = 1 << 0;
/// const ENDPOINTS: u32 = 1 << 1;
///
/// let queue = PushQueue::<Bits<1>>::new(Config::new(10));
/// let client = queue.register()?;
/// queue.publish(Target::One(client), Lane::Normal, [ROUTES])?;
/// queue.publish(Target::One(client), Lane::Urgent, [ENDPOINTS])?;
/// let lease = queue.try_lease().expect("ready");
/// assert_eq!(*lease.request(), [ROUTES | ENDPOINTS]);
/// lease.complete();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits<const W: usize>;

/// One client's flags.
#[derive(Debug)]
pub struct BitsCell<const W: usize>([AtomicU32; W]);

impl<const W: usize> Backlog for Bits<W> {
    type Request = [u32; W];
    type Payload = [u32; W];
    type Cells = [BitsCell<W>; SLOTS];
    type Recording = [u32; W];

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| BitsCell(core::array::from_fn(|_| AtomicU32::new(0))))
    }

    fn begin(&self, request: [u32; W]) -> [u32; W] {
        request
    }

    fn abandon(&self, recording: [u32; W]) -> [u32; W] {
        recording
    }

    fn record(&self, flags: &mut [u32; W], cells: &Self::Cells, mask: usize) {
        for slot in slots(mask) {
            merge(&cells[slot], flags);
        }
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<[u32; W]> {
        let BitsCell(words) = &cells[slot];
        // Acquire: with the Release in `merge`. A swap, not a load and a store: a flag set in
        // between would be lost.
        let taken = core::array::from_fn(|word| words[word].swap(0, Ordering::Acquire));
        (taken != [0; W]).then_some(taken)
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: [u32; W]) {
        merge(&cells[slot], &payload);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        for word in &cells[slot].0 {
            // Relaxed: the client has left, and its requests concern no other.
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Union.
impl<const W: usize> Merge for [u32; W] {
    fn merge(&mut self, other: &Self) {
        self.iter_mut().zip(other).for_each(|(flags, other)| *flags |= other);
    }
}

/// All flags.
impl<const W: usize> Everything for [u32; W] {
    fn everything() -> Self {
        [u32::MAX; W]
    }
}

fn merge<const W: usize>(cell: &BitsCell<W>, flags: &[u32; W]) {
    for (word, &flags) in cell.0.iter().zip(flags) {
        if flags != 0 {
            // Release: with the Acquire in `take`, also through the flags that were set already.
            word.fetch_or(flags, Ordering::Release);
        }
    }
}

#[cfg(not(loom))]
impl<const W: usize> super::ConstBacklog for Bits<W> {
    const EMPTY: Self = Bits;
    const CELLS: Self::Cells = [const { BitsCell([const { AtomicU32::new(0) }; W]) }; SLOTS];
}
