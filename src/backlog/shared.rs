//! One shared request for many clients, merged once.

use alloc::sync::Arc;
use core::marker::PhantomData;

use super::groups::Groups;
use super::{Backlog, Merge};
use crate::sync::Lock;
use crate::unwind::drop_each;

/// One `Arc<R>` for all clients of a bank that owe the same: a fan-out stores its request once a
/// bank, and when clients that hold the same pending request get the same new one, the merge is
/// computed **once** and shared.
///
/// A bank keeps what its clients have pending in groups: clients with the same pending `Arc` are
/// one group, so a fan-out to a bank whose clients are in the same state costs what a publish to
/// one of them costs, one lock and one pointer. During one publish the last merge is remembered:
/// (what was pending, the new request) → their merge. Clients that are dirtied together have the
/// same pending `Arc`, so any number of them, in any number of banks, cost one merge.
///
/// The slot machine is lock-free; this backlog takes a lock. One spin lock guards the cells of a
/// bank, that is of [`SLOTS`](crate::SLOTS) clients. It is held for a pointer swap, or while one
/// merge is computed; a publish computes at most one for each distinct pending request. While a
/// publisher is preempted there, other threads that publish to the bank's clients, or lease one of
/// them, spin. Not interrupt-safe. A request's `clone` and `merge` must not use the queue.
///
/// ```
/// use std::sync::Arc;
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::{ChangeSet, Shared}};
///
/// let queue = PushQueue::<Shared<ChangeSet<&str>>>::new(Config::new(10));
/// for _ in 0..10 {
///     queue.register()?;
/// }
/// queue.publish(Target::Everyone, Lane::Normal, Arc::new(ChangeSet::from(["route/a"])))?;
/// queue.publish(Target::Everyone, Lane::Normal, Arc::new(ChangeSet::from(["route/b"])))?;
///
/// let first = queue.try_lease().expect("ready");
/// let second = queue.try_lease().expect("ready");
/// assert!(first.request().contains(&"route/a") && first.request().contains(&"route/b"));
/// assert!(Arc::ptr_eq(first.request(), second.request()), "merged once, shared by all");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shared<R>(PhantomData<fn(R) -> R>);

impl<R> Shared<R> {
    /// The backlog.
    pub const fn new() -> Self {
        Shared(PhantomData)
    }
}

impl<R> Default for Shared<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// What the clients of one bank have pending.
///
/// On cache lines of its own: banks don't contend for one, and the lock, the masks and the first
/// groups share one.
#[repr(align(64))]
pub struct SharedCells<R>(Lock<Groups<R>>);

/// One publish, and the merge that it computed last.
pub struct SharedRecording<R> {
    request: Arc<R>,
    last: Option<Merged<R>>,
}

/// The merge of `pending` with the publish's request. Holding `pending` keeps its address from
/// being given to another request.
pub(super) struct Merged<R> {
    pub(super) pending: Arc<R>,
    pub(super) both: Arc<R>,
}

impl<R: Merge + Clone> Merged<R> {
    #[inline(never)]
    pub(super) fn new(pending: &Arc<R>, request: &R) -> Self {
        let mut both = R::clone(pending);
        both.merge(request);
        Merged { pending: Arc::clone(pending), both: Arc::new(both) }
    }
}

impl<R: Merge + Clone> Backlog for Shared<R> {
    type Request = Arc<R>;
    type Payload = Arc<R>;
    type Cells = SharedCells<R>;
    type Recording = SharedRecording<R>;

    fn cells(&self) -> Self::Cells {
        SharedCells(Lock::new(Groups::new()))
    }

    fn begin(&self, request: Arc<R>) -> SharedRecording<R> {
        SharedRecording { request, last: None }
    }

    fn abandon(&self, recording: SharedRecording<R>) -> Arc<R> {
        recording.request
    }

    fn record(&self, recording: &mut SharedRecording<R>, cells: &Self::Cells, slots: usize) {
        let SharedRecording { request, last } = recording;
        let mut rest = slots;
        while rest != 0 {
            let mut groups = cells.0.lock();
            if groups.begin(rest, request) {
                return;
            }
            let outdated = groups.record(&mut rest, request, last);
            drop(groups);
            // Dropped after the lock is released: a request's destructor may take its time.
            drop(outdated);
        }
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<Arc<R>> {
        let mut groups = cells.0.lock();
        if let Some(restored) = groups.restored(slot) {
            drop(groups);
            // If a merge panics, the slot still has both.
            let mut recording = SharedRecording { request: restored, last: None };
            self.record(&mut recording, cells, 1 << slot);
            let merged = cells.0.lock().forget_restored(slot);
            // Before the slot is emptied: if a destructor panics, it still has both.
            drop_each([Some(recording.request), merged]);
            drop(recording.last);
            groups = cells.0.lock();
        }
        groups.take(slot)
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: Arc<R>) {
        cells.0.lock().restore(slot, payload);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        let mut groups = cells.0.lock();
        let departed = [groups.remove(slot), groups.forget_restored(slot)];
        drop(groups);
        // Dropped after the lock is released, as above.
        drop_each(departed);
    }
}

super::debug_by_name!(Shared<R>, SharedCells<R>, SharedRecording<R>);

#[cfg(not(loom))]
impl<R: Merge + Clone> super::ConstBacklog for Shared<R> {
    const EMPTY: Self = Shared::new();
    const CELLS: Self::Cells = SharedCells(Lock::new(Groups::new()));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::slot::SLOTS;

    /// A lock and a pointer each, as it was when each client had a cell of its own.
    #[test]
    fn a_client_takes_no_more_than_two_words() {
        assert!(size_of::<SharedCells<()>>() <= SLOTS * 2 * size_of::<usize>());
    }
}
