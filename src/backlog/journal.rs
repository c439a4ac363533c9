//! [`Journal`]: publishes to everyone in one ring, everything else in another backlog.
//!
//! A publish to everyone appends its request to the ring, once for all clients. Each client has a
//! cursor: the ring position up to which its pushes have read. A lease folds the entries between its
//! client's cursor and the head, merges them with what the inner backlog has for the client, and
//! moves the cursor to the head. A lease that is given back restores the merged request into the
//! inner backlog, so the cursor never goes back.
//!
//! ```text
//!     ring:   | e4 | e5 | e6 | e7 |   head = 8
//!               ▲              ▲
//!               cursor 4       cursor 7: folds e7 alone
//!               folds e4..e8
//! ```
//!
//! Entries are written under the ring's lock, so an entry below the head is always there. The folds
//! of a few windows are kept: clients with the same cursor share one, and it is extended when the
//! head moves on.

use core::fmt;

use super::{Backlog, Everything};
use crate::slot::SLOTS;
use crate::sync::{Atomic, AtomicUsize, Lock, Ordering};

/// A backlog in which a publish to everyone costs the same for ten clients and for ten million.
///
/// Publishes to everyone go into a ring of the last `N` requests; publishes to one client, to a list
/// or to topics are recorded in `B`. A lease holds both, merged.
///
/// * A client that has fallen off the ring, because more than `N` publishes to everyone came since
///   its last push, gets [`everything()`](Everything::everything).
/// * Clients with the same window of entries share one fold of it. Make the request an `Arc`, as
///   [`Shared`](super::Shared) does, if cloning it is not cheap.
/// * A publish to everyone that is refused after all gets its request back out of the ring, cloned;
///   or `everything()`, if more than `N` others came meanwhile and it is gone.
///
/// `N` is a power of two; any other number fails to compile. Needs no heap.
///
/// Takes a lock for each append, and for each lease that finds new entries. It is held for a clone
/// and for the merges of a fold. Not interrupt-safe.
///
/// ```
/// use std::sync::Arc;
/// use pushlane::backlog::ChangeSet;
/// use pushlane::{Config, Lane, Queue, Target};
///
/// // `Queue<R>` is a queue over `Journal<Shared<R>>`.
/// let queue = Queue::<ChangeSet<&str>>::new(Config::new(10));
/// for _ in 0..10 {
///     queue.register()?;
/// }
/// queue.publish(Target::Everyone, Lane::Normal, ChangeSet::from(["route/a"]))?;
/// queue.publish(Target::Everyone, Lane::Normal, ChangeSet::from(["route/b"]))?;
///
/// let first = queue.try_lease().expect("ready");
/// let second = queue.try_lease().expect("ready");
/// assert!(first.request().contains(&"route/a") && first.request().contains(&"route/b"));
/// assert!(Arc::ptr_eq(first.request(), second.request()), "folded once, shared by both");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Journal<B: Backlog, const N: usize = 64> {
    inner: B,
    /// How many requests have been appended. Written under the ring's lock.
    head: AtomicUsize,
    ring: Lock<Ring<B::Request, N>>,
}

/// How many windows have their folds remembered.
const FOLDS: usize = 4;

struct Ring<R, const N: usize> {
    /// Entry `at` is at `at % N`, until entry `at + N` replaces it.
    entries: [Option<R>; N],
    folds: [Option<Fold<R>>; FOLDS],
    /// The next fold to be replaced.
    victim: usize,
}

/// The entries of `from..to`, merged.
struct Fold<R> {
    from: usize,
    to: usize,
    merged: R,
}

impl<R, const N: usize> Ring<R, N> {
    const POWER_OF_TWO: () = assert!(N.is_power_of_two(), "Journal: N must be a power of two");

    const fn new() -> Self {
        let () = Self::POWER_OF_TWO;
        Ring { entries: [const { None }; N], folds: [const { None }; FOLDS], victim: 0 }
    }
}

impl<R: Everything + Clone, const N: usize> Ring<R, N> {
    /// The entries of `from..head`, merged, and what is to be dropped once the lock is released.
    fn fold(&mut self, from: usize, head: usize) -> (R, Option<Fold<R>>) {
        let window = head.wrapping_sub(from);
        if window > N {
            return (R::everything(), None);
        }
        if window == 1
            && let Some(only) = &self.entries[from % N]
        {
            return (only.clone(), None);
        }
        let kept =
            self.folds.iter().position(|fold| fold.as_ref().is_some_and(|it| it.from == from));
        let (place, start) = match kept.and_then(|at| Some((at, self.folds[at].as_ref()?))) {
            Some((_, fold)) if fold.to == head => return (fold.merged.clone(), None),
            Some((at, fold)) => (at, Some((fold.to, fold.merged.clone()))),
            None => (self.victim, None),
        };
        let (mut to, mut merged) = start.map_or((from, None), |(to, merged)| (to, Some(merged)));
        while to != head {
            match (&mut merged, &self.entries[to % N]) {
                (Some(merged), Some(entry)) => merged.merge(entry),
                (none, Some(entry)) => *none = Some(entry.clone()),
                (_, None) => return (R::everything(), None),
            }
            to = to.wrapping_add(1);
        }
        let merged = merged.unwrap_or_else(R::everything);
        let fold = Fold { from, to, merged: merged.clone() };
        // Nothing of the user's runs from here on, so a panic above has changed nothing.
        if kept.is_none() {
            self.victim = (place + 1) % FOLDS;
        }
        (merged, self.folds[place].replace(fold))
    }
}

/// What the clients of one bank have: cursors, and the cells of the inner backlog.
pub struct JournalCells<C> {
    inner: C,
    /// Only a slot's owner reads and writes its cursor.
    cursors: [AtomicUsize; SLOTS],
}

/// One publish: recorded in the inner backlog for some, or appended for everyone.
pub enum JournalRecording<T> {
    #[doc(hidden)]
    Recorded(T),
    #[doc(hidden)]
    Appended(usize),
}

impl<B: Backlog, const N: usize> Journal<B, N> {
    /// An empty journal over `inner`.
    pub fn over(inner: B) -> Self {
        Journal { inner, head: AtomicUsize::zero(), ring: Lock::new(Ring::new()) }
    }
}

impl<B, const N: usize> Journal<B, N>
where
    B: Backlog<Payload = <B as Backlog>::Request>,
    B::Request: Everything + Clone,
{
    /// The entries of `from..head`, merged with what the inner backlog has. If user code panics in
    /// here, the cursor has not moved, and the inner backlog has what it had.
    #[inline(never)]
    fn take_folded(
        &self,
        cells: &JournalCells<B::Cells>,
        slot: usize,
        from: usize,
        head: usize,
    ) -> Option<B::Request> {
        let (folded, replaced) = self.ring.lock().fold(from, head);
        // After the lock is released: a request's destructor may take its time, or panic.
        drop(replaced);
        let cursor = &cells.cursors[slot];
        let Some(own) = self.inner.take(&cells.inner, slot) else {
            cursor.store(head, Ordering::Relaxed); // the bank's word hands it to the next owner
            return Some(folded);
        };
        self.inner.restore(&cells.inner, slot, own);
        let mut recording = self.inner.begin(folded);
        self.inner.record(&mut recording, &cells.inner, 1 << slot);
        drop(recording);
        cursor.store(head, Ordering::Relaxed); // as above
        self.inner.take(&cells.inner, slot)
    }
}

impl<B, const N: usize> Backlog for Journal<B, N>
where
    B: Backlog<Payload = <B as Backlog>::Request>,
    B::Request: Everything + Clone,
{
    type Request = B::Request;
    type Payload = B::Request;
    type Cells = JournalCells<B::Cells>;
    type Recording = JournalRecording<B::Recording>;

    const RECORDS: bool = B::RECORDS;
    const ON_DEMAND: bool = true;

    fn cells(&self) -> Self::Cells {
        let cursors = core::array::from_fn(|_| AtomicUsize::zero());
        JournalCells { inner: self.inner.cells(), cursors }
    }

    fn begin(&self, request: B::Request) -> Self::Recording {
        JournalRecording::Recorded(self.inner.begin(request))
    }

    fn begin_for_everyone(&self, request: B::Request) -> Self::Recording {
        let mut ring = self.ring.lock();
        let at = self.head.load(Ordering::Relaxed); // written under this lock
        let replaced = ring.entries[at % N].replace(request);
        // Release: with the Acquire in `take`, which then finds the entry.
        self.head.store(at.wrapping_add(1), Ordering::Release);
        drop(ring);
        // After the lock is released: a request's destructor may take its time, or panic.
        drop(replaced);
        JournalRecording::Appended(at)
    }

    fn abandon(&self, recording: Self::Recording) -> B::Request {
        match recording {
            JournalRecording::Recorded(recording) => self.inner.abandon(recording),
            // The entry stays: at worst a client is told more than it needs.
            JournalRecording::Appended(at) => {
                let ring = self.ring.lock();
                let gone = self.head.load(Ordering::Relaxed).wrapping_sub(at) > N;
                let entry = ring.entries[at % N].as_ref().filter(|_| !gone);
                entry.cloned().unwrap_or_else(B::Request::everything)
            }
        }
    }

    #[inline]
    fn record(&self, recording: &mut Self::Recording, cells: &Self::Cells, slots: usize) {
        if let JournalRecording::Recorded(recording) = recording {
            self.inner.record(recording, &cells.inner, slots);
        }
    }

    #[inline]
    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<B::Request> {
        let from = cells.cursors[slot].load(Ordering::Relaxed); // the owner's own
        let head = self.head.load(Ordering::Acquire); // with `begin_for_everyone`
        if from == head {
            return self.inner.take(&cells.inner, slot);
        }
        self.take_folded(cells, slot, from, head)
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: B::Request) {
        self.inner.restore(&cells.inner, slot, payload);
    }

    /// Everything so far was for others.
    fn clear(&self, cells: &Self::Cells, slot: usize) {
        let head = self.head.load(Ordering::Acquire); // with `begin_for_everyone`
        cells.cursors[slot].store(head, Ordering::Relaxed);
        self.inner.clear(&cells.inner, slot);
    }
}

#[cfg(not(loom))]
impl<B, const N: usize> super::ConstBacklog for Journal<B, N>
where
    B: super::ConstBacklog<Payload = <B as Backlog>::Request>,
    B::Request: Everything + Clone,
{
    const EMPTY: Self =
        Journal { inner: B::EMPTY, head: AtomicUsize::ZERO, ring: Lock::new(Ring::new()) };
    const CELLS: Self::Cells =
        JournalCells { inner: B::CELLS, cursors: [const { AtomicUsize::ZERO }; SLOTS] };
}

impl<B: Backlog + Default, const N: usize> Default for Journal<B, N> {
    fn default() -> Self {
        Self::over(B::default())
    }
}

impl<B: Backlog, const N: usize> fmt::Debug for Journal<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("head", &self.head).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for JournalCells<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalCells").field("cursors", &self.cursors).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for JournalRecording<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalRecording")
    }
}
