//! [`Journal`]: publishes to everyone in one ring, everything else in another backlog.
//!
//! A publish to everyone appends its request to the ring, once for all clients. Each client has a
//! cursor: the ring position up to which its pushes have read. A lease folds the entries between
//! its client's cursor and the head, merges them with what the inner backlog has for the client,
//! and moves the cursor to the head. A lease that is given back restores the merged request into
//! the inner backlog, so the cursor never goes back.
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
use crate::convergence::WRAPS;
use crate::slot::SLOTS;
use crate::sync::{AtomicUsize, Lock, Ordering, const_fn};
use crate::unwind::drop_each;

/// A backlog in which a publish to everyone costs the same for ten clients and for ten million.
///
/// Publishes to everyone go into a ring of the last `N` requests; publishes to one client, to a
/// list or to topics are recorded in `B`. A lease holds both, merged.
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

/// Positions have one bit less than a word, so that a cursor can say something else.
const POSITIONS: usize = usize::MAX >> 1;
/// A cursor that has fallen off the ring.
const FALLEN: usize = usize::MAX;
/// A cursor whose owner is about to read the head.
const READING: usize = usize::MAX - 1;
/// When a cursor is said to have fallen off: long after it has.
const LONG_AGO: usize = POSITIONS / 4;

const fn after(position: usize) -> usize {
    position.wrapping_add(1) & POSITIONS
}

/// How many entries lie from a cursor to the head. Of one that has fallen off: more than there can
/// be.
const fn window(from: usize, head: usize) -> usize {
    if from > POSITIONS { usize::MAX } else { head.wrapping_sub(from) & POSITIONS }
}

/// By the slot's owner. If the cursor was said to have fallen off since, that stays: the head may
/// be as old.
fn move_cursor(cursor: &AtomicUsize, from: usize, head: usize) {
    // Relaxed: the bank's word hands it to the next owner.
    if WRAPS {
        let _ = cursor.compare_exchange(from, head, Ordering::Relaxed, Ordering::Relaxed);
    } else {
        cursor.store(head, Ordering::Relaxed);
    }
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
        let window = window(from, head);
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
            to = after(to);
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
pub enum JournalRecording<T, R> {
    #[doc(hidden)]
    Recorded(T),
    #[doc(hidden)]
    Appended(usize, Replaced<R>),
}

/// What an append has replaced in the ring. It is dropped when the publish is done, so that a
/// destructor which panics doesn't cut the publish short.
#[doc(hidden)]
pub struct Replaced<R>([Option<R>; 2]);

impl<R> Drop for Replaced<R> {
    fn drop(&mut self) {
        drop_each(core::mem::take(&mut self.0));
    }
}

impl<B: Backlog, const N: usize> Journal<B, N> {
    const_fn! {
        /// An empty journal over `inner`.
        pub const fn over(inner: B) -> Self {
            Journal { inner, head: AtomicUsize::new(0), ring: Lock::new(Ring::new()) }
        }
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
    ) -> Option<B::Request> {
        let cursor = &cells.cursors[slot];
        let from = if from > POSITIONS {
            // Before the head is read, which is then known to be no older than this.
            cursor.store(READING, Ordering::Relaxed);
            READING
        } else {
            from
        };
        let mut ring = self.ring.lock();
        // Under the lock: an entry below an older head may have been replaced by a newer one.
        let head = self.head.load(Ordering::Relaxed);
        let (folded, replaced) = ring.fold(from, head);
        drop(ring);
        // After the lock is released: a request's destructor may take its time, or panic.
        drop(replaced);
        let Some(own) = self.inner.take(&cells.inner, slot) else {
            move_cursor(cursor, from, head);
            return Some(folded);
        };
        self.inner.restore(&cells.inner, slot, own);
        let mut recording = self.inner.begin(folded);
        self.inner.record(&mut recording, &cells.inner, 1 << slot);
        drop(recording);
        move_cursor(cursor, from, head);
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
    type Recording = JournalRecording<B::Recording, B::Request>;

    const RECORDS: bool = B::RECORDS;
    const ON_DEMAND: bool = true;

    fn cells(&self) -> Self::Cells {
        let cursors = core::array::from_fn(|_| AtomicUsize::new(0));
        JournalCells { inner: self.inner.cells(), cursors }
    }

    fn begin(&self, request: B::Request) -> Self::Recording {
        JournalRecording::Recorded(self.inner.begin(request))
    }

    fn begin_for_everyone(&self, request: B::Request) -> Self::Recording {
        let mut ring = self.ring.lock();
        let at = self.head.load(Ordering::Relaxed); // written under this lock
        let replaced = ring.entries[at % N].replace(request);
        // A fold that begins before the ring is of no use, and must not be taken for that of a
        // window that begins there when positions have wrapped.
        let old = ring.folds[at % FOLDS].take_if(|fold| window(fold.from, at) >= N);
        // Release: with the Acquire in `clear`. A lease needs none: see `take`.
        self.head.store(after(at), Ordering::Release);
        JournalRecording::Appended(at, Replaced([replaced, old.map(|fold| fold.merged)]))
    }

    fn abandon(&self, recording: Self::Recording) -> B::Request {
        match recording {
            JournalRecording::Recorded(recording) => self.inner.abandon(recording),
            // The entry stays: at worst a client is told more than it needs.
            JournalRecording::Appended(at, _) => {
                let ring = self.ring.lock();
                let gone = window(at, self.head.load(Ordering::Relaxed)) > N;
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
        // Relaxed: what the lease must contain was appended before the number that its owner has
        // read, so coherence shows it; entries are read under the lock.
        let head = self.head.load(Ordering::Relaxed);
        if from == head {
            return self.inner.take(&cells.inner, slot);
        }
        self.take_folded(cells, slot, from)
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: B::Request) {
        self.inner.restore(&cells.inner, slot, payload);
    }

    /// A cursor that has fallen off the ring points to nothing any more. Called for each bank often
    /// enough that the head can't have come round meanwhile.
    fn age(&self, cells: &Self::Cells) {
        for cursor in &cells.cursors {
            let from = cursor.load(Ordering::Relaxed);
            let head = self.head.load(Ordering::Relaxed);
            // A cursor that has moved since is left alone.
            let is_old = (LONG_AGO..3 * LONG_AGO).contains(&window(from, head));
            if from == READING || is_old {
                let _ = cursor.compare_exchange(
                    from,
                    FALLEN,
                    Ordering::Relaxed, // the bank's word hands it on, or the owner's exchange fails
                    Ordering::Relaxed,
                );
            }
        }
    }

    /// Everything so far was for others.
    fn clear(&self, cells: &Self::Cells, slot: usize) {
        let cursor = &cells.cursors[slot];
        cursor.store(READING, Ordering::Relaxed); // before the head is read
        let head = self.head.load(Ordering::Acquire); // with `begin_for_everyone`
        move_cursor(cursor, READING, head);
        self.inner.clear(&cells.inner, slot);
    }
}

#[cfg(not(loom))]
impl<B, const N: usize> super::ConstBacklog for Journal<B, N>
where
    B: super::ConstBacklog<Payload = <B as Backlog>::Request>,
    B::Request: Everything + Clone,
{
    const EMPTY: Self = Journal::over(B::EMPTY);
    const CELLS: Self::Cells =
        JournalCells { inner: B::CELLS, cursors: [const { AtomicUsize::new(0) }; SLOTS] };
}

super::debug_by_name!(JournalCells<C>, Replaced<R>, JournalRecording<T, R>);

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Locked, Merge};
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Flags(u32);

    impl Merge for Flags {
        fn merge(&mut self, other: &Self) {
            self.0 |= other.0;
        }
    }

    impl Everything for Flags {
        fn everything() -> Self {
            Flags(u32::MAX)
        }
    }

    type Under = Journal<Locked<Flags>, 4>;

    /// A journal whose head is at a position, and a bank whose cursors are there.
    fn at(position: usize) -> (Under, <Under as Backlog>::Cells) {
        let journal = Under::default();
        journal.head.store(position, Ordering::Relaxed);
        let cells = journal.cells();
        (0..SLOTS).for_each(|slot| journal.clear(&cells, slot));
        (journal, cells)
    }

    fn take(journal: &Under, cells: &<Under as Backlog>::Cells, slot: usize) -> Option<u32> {
        journal.take(cells, slot).map(|Flags(flags)| flags)
    }

    #[test]
    fn positions_come_round() {
        for back in 0..4 {
            let (journal, cells) = at(POSITIONS - back);
            assert_eq!(take(&journal, &cells, 1), None);
            for flag in [1, 2, 4] {
                journal.begin_for_everyone(Flags(flag));
            }
            assert_eq!([0, 1].map(|slot| take(&journal, &cells, slot)), [Some(7); 2]);
            journal.begin_for_everyone(Flags(8));
            assert_eq!([0, 1].map(|slot| take(&journal, &cells, slot)), [Some(8); 2]);
            assert_eq!(take(&journal, &cells, 1), None);
            for _ in 0..3 {
                journal.begin_for_everyone(Flags(1));
            }
            assert_eq!(take(&journal, &cells, 3), Some(u32::MAX), "more than the ring has");
        }
    }

    /// In steps of an eighth of all positions, round and round.
    #[test]
    fn a_client_that_waits_for_any_time_is_told_everything() {
        let (journal, cells) = at(5);
        journal.begin_for_everyone(Flags(1));
        for eighths in 1..20_usize {
            journal
                .head
                .store((6 + eighths.wrapping_mul(LONG_AGO / 2)) & POSITIONS, Ordering::Relaxed);
            journal.age(&cells);
            journal.begin_for_everyone(Flags(2));
            assert_eq!(take(&journal, &cells, 0), Some(u32::MAX));
            assert_eq!(take(&journal, &cells, 0), None);
        }
        journal.head.store(5, Ordering::Relaxed);
        assert_eq!(take(&journal, &cells, 1), Some(u32::MAX), "the head is where its cursor was");
    }

    #[test]
    fn a_fold_is_not_taken_for_one_of_a_later_round() {
        let (journal, cells) = at(0);
        journal.begin_for_everyone(Flags(1));
        journal.begin_for_everyone(Flags(2));
        assert_eq!(take(&journal, &cells, 0), Some(3));
        for _ in 0..8 {
            journal.begin_for_everyone(Flags(4));
        }
        journal.head.store(0, Ordering::Relaxed); // a round later
        journal.begin_for_everyone(Flags(8));
        journal.begin_for_everyone(Flags(16));
        assert_eq!(take(&journal, &cells, 1), Some(24));
    }
}
