//! Any request that merges, in place.

use core::fmt;
use core::marker::PhantomData;

use spin::Mutex;

use super::{Audience, Backlog, Merge, Taken};
use crate::slot::{SLOTS, slots};

/// One `R` a client, merged in place. Needs no heap.
///
/// Said plainly: the slot machine is lock-free, this cell is not. A spin lock guards it for one merge; a
/// publisher that is preempted there makes the others and the client's lease spin. Don't use it from
/// interrupt handlers, nor with an `R` whose merge is slow. A publish clones the request once a client.
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

impl<R> fmt::Debug for Locked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked")
    }
}

/// One client's request, if it has one.
pub struct LockedCell<R>(Mutex<Option<R>>);

impl<R> fmt::Debug for LockedCell<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedCell")
    }
}

impl<R: Merge + Clone> Backlog for Locked<R> {
    type Request = R;
    type Payload = R;
    type Cells = [LockedCell<R>; SLOTS];
    type Recording = R;

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| LockedCell(Mutex::new(None)))
    }

    fn begin(&self, request: R, _: Audience) -> R {
        request
    }

    fn abandon(&self, recording: R) -> R {
        recording
    }

    fn record(&self, request: &mut R, cells: &Self::Cells, mask: usize) {
        for slot in slots(mask) {
            match &mut *cells[slot].0.lock() {
                Some(pending) => pending.merge(request),
                empty => *empty = Some(request.clone()),
            }
        }
    }

    fn take(&self, cells: &Self::Cells, slot: usize, _: &dyn Fn(&Audience) -> bool) -> Taken<R> {
        Taken::whole(cells[slot].0.lock().take())
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: R) {
        match &mut *cells[slot].0.lock() {
            Some(pending) => pending.merge(&payload),
            empty => *empty = Some(payload),
        }
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        // Dropped after the lock is released: a request's destructor may take its time.
        let departed = cells[slot].0.lock().take();
        drop(departed);
    }
}

#[cfg(not(loom))]
impl<R: Merge + Clone> super::ConstBacklog for Locked<R> {
    const EMPTY: Self = Locked::new();
    const CELLS: Self::Cells = [const { LockedCell(Mutex::new(None)) }; SLOTS];
}
