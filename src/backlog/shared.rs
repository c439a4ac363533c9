//! One shared request for many clients, merged once.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use spin::Mutex;

use super::{Audience, Backlog, Merge, Taken};
use crate::slot::{SLOTS, slots};

/// One `Arc<R>` a client: a fan-out stores the same request for everyone, and when clients that hold the
/// same pending request get the same new one, the merge is computed **once** and shared.
///
/// During one publish the last merge is remembered: (what was pending, the new request) → their merge.
/// Clients that are dirtied together have the same pending `Arc`, so N of them cost one merge and N
/// pointer swaps.
///
/// Said plainly: the slot machine is lock-free, this cell is not. A spin lock guards it for a pointer swap
/// or for the one merge. Don't use it from interrupt handlers.
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

impl<R> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// One client's request, if it has one.
pub struct SharedCell<R>(Mutex<Option<Arc<R>>>);

impl<R> fmt::Debug for SharedCell<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedCell")
    }
}

/// One publish, and the merge that it computed last.
pub struct SharedRecording<R> {
    request: Arc<R>,
    last: Option<Merged<R>>,
}

impl<R> fmt::Debug for SharedRecording<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedRecording")
    }
}

/// The merge of `pending` with the publish's request. Holding `pending` keeps its address from being
/// given to another request.
struct Merged<R> {
    pending: Arc<R>,
    both: Arc<R>,
}

impl<R: Merge + Clone> Backlog for Shared<R> {
    type Request = Arc<R>;
    type Payload = Arc<R>;
    type Cells = [SharedCell<R>; SLOTS];
    type Recording = SharedRecording<R>;

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| SharedCell(Mutex::new(None)))
    }

    fn begin(&self, request: Arc<R>, _: Audience) -> SharedRecording<R> {
        SharedRecording { request, last: None }
    }

    fn abandon(&self, recording: SharedRecording<R>) -> Arc<R> {
        recording.request
    }

    fn record(&self, recording: &mut SharedRecording<R>, cells: &Self::Cells, mask: usize) {
        for slot in slots(mask) {
            Self::record_one(recording, &cells[slot]);
        }
    }

    fn take(
        &self,
        cells: &Self::Cells,
        slot: usize,
        _: &dyn Fn(&Audience) -> bool,
    ) -> Taken<Arc<R>> {
        Taken::whole(cells[slot].0.lock().take())
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: Arc<R>) {
        Self::record_one(&mut SharedRecording { request: payload, last: None }, &cells[slot]);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        // Dropped after the lock is released: a request's destructor may take its time.
        let departed = cells[slot].0.lock().take();
        drop(departed);
    }
}

impl<R: Merge + Clone> Shared<R> {
    fn record_one(recording: &mut SharedRecording<R>, cell: &SharedCell<R>) {
        let SharedRecording { request, last } = recording;
        let mut guard = cell.0.lock();
        let replaced = match &*guard {
            None => {
                *guard = Some(Arc::clone(request));
                return;
            }
            Some(pending) => {
                let both = match last {
                    Some(merged) if Arc::ptr_eq(&merged.pending, pending) => {
                        Arc::clone(&merged.both)
                    }
                    _ => {
                        let mut both = R::clone(pending);
                        both.merge(request);
                        let both = Arc::new(both);
                        *last =
                            Some(Merged { pending: Arc::clone(pending), both: Arc::clone(&both) });
                        both
                    }
                };
                guard.replace(both)
            }
        };
        drop(guard);
        drop(replaced);
    }
}

#[cfg(not(loom))]
impl<R: Merge + Clone> super::ConstBacklog for Shared<R> {
    const EMPTY: Self = Shared::new();
    const CELLS: Self::Cells = [const { SharedCell(Mutex::new(None)) }; SLOTS];
}
