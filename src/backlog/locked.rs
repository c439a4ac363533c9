//! Any request that merges, in place.

use core::marker::PhantomData;

use super::{Backlog, Merge};
use crate::slot::{SLOTS, slots};
use crate::sync::Lock;
use crate::unwind::drop_each;

/// One `R` a client, merged in place. Needs no heap.
///
/// The slot machine is lock-free; this cell takes a spin lock for one merge. While a publisher is
/// preempted there, the other publishers and the client's lease spin. Not interrupt-safe, and not
/// for an `R` whose merge is slow. A publish clones the request once a client.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::{Locked, Merge}};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Newest(u64);
/// impl Merge for Newest {
///     fn merge(&mut self, other: &Self) {
///         self.0 = self.0.max(other.0);
///     }
/// }
///
/// let queue = PushQueue::<Locked<Newest>>::new(Config::new(10));
/// let client = queue.register()?;
/// queue.publish(Target::One(client), Lane::Normal, Newest(2))?;
/// queue.publish(Target::One(client), Lane::Normal, Newest(1))?;
/// let lease = queue.try_lease().expect("ready");
/// assert_eq!(*lease.request(), Newest(2));
/// lease.complete();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Locked<R>(PhantomData<fn(R) -> R>);

impl<R> Locked<R> {
    /// The backlog.
    pub const fn new() -> Self {
        Locked(PhantomData)
    }
}

impl<R> Default for Locked<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// One client's requests, if it has any.
pub struct LockedCell<R>(Lock<Pending<R>>);

/// Two places, because giving a lease back must not run a merge, which might panic.
struct Pending<R> {
    recorded: Option<R>,
    /// What a lease gave back while something was recorded.
    restored: Option<R>,
}

impl<R> Pending<R> {
    const NONE: Self = Pending { recorded: None, restored: None };
}

impl<R: Merge + Clone> Backlog for Locked<R> {
    type Request = R;
    type Payload = R;
    type Cells = [LockedCell<R>; SLOTS];
    type Recording = R;

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| LockedCell(Lock::new(Pending::NONE)))
    }

    fn begin(&self, request: R) -> R {
        request
    }

    fn abandon(&self, recording: R) -> R {
        recording
    }

    fn record(&self, request: &mut R, cells: &Self::Cells, mask: usize) {
        for slot in slots(mask) {
            match &mut cells[slot].0.lock().recorded {
                Some(recorded) => recorded.merge(request),
                empty => *empty = Some(request.clone()),
            }
        }
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<R> {
        let LockedCell(cell) = &cells[slot];
        let mut pending = cell.lock();
        if let Pending { recorded: Some(recorded), restored: restored @ Some(_) } = &mut *pending {
            restored.iter().for_each(|restored| recorded.merge(restored));
            let merged = restored.take();
            // A destructor that panics finds the lock released, and leaves what was recorded.
            drop(pending);
            drop(merged);
            pending = cell.lock();
        }
        pending.recorded.take()
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: R) {
        let mut pending = cells[slot].0.lock();
        let Pending { recorded, restored } = &mut *pending;
        *(if recorded.is_none() { recorded } else { restored }) = Some(payload);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        // Dropped after the lock is released: a request's destructor may take its time.
        let departed = core::mem::replace(&mut *cells[slot].0.lock(), Pending::NONE);
        drop_each([departed.recorded, departed.restored]);
    }
}

super::debug_by_name!(Locked<R>, LockedCell<R>);

#[cfg(not(loom))]
impl<R: Merge + Clone> super::ConstBacklog for Locked<R> {
    const EMPTY: Self = Locked::new();
    const CELLS: Self::Cells = [const { LockedCell(Lock::new(Pending::NONE)) }; SLOTS];
}
