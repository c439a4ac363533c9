//! One ring of requests for everybody, and a cursor a client.

use core::fmt;

use spin::Mutex;

use super::label::Label;
use super::merge::Everything;
use super::{Audience, Backlog, Merge, Taken};
use crate::slot::SLOTS;
use crate::sync::{Atomic, AtomicUsize, Ordering};

/// A shared journal of the last `N` requests. A publish stores its request **once**, however many clients
/// it is for; a lease folds what came since its client's last push and was meant for it.
///
/// So publishing a payload costs what publishing none costs, and memory is one cursor a client. When
/// clients with the same window have the same entries to fold, the fold is computed once and cloned: make
/// `R` an `Arc` if cloning is not cheap.
///
/// * A client that has fallen off the ring, because more than `N` requests came since its last push, gets
///   [`R::everything()`](Everything::everything).
/// * Who belongs to a scope is asked when the lease begins: a client that has subscribed since is folded
///   what came before as well. A scope of more than four topics is taken for everyone's. So a client
///   may be told more than concerns it, never less.
/// * Entries are guarded by a spin lock each, for a clone or a merge. Whom an entry is for can be read without
///   it, if that is everyone, one client or one topic: what was meant for others costs a lease a few loads.
///   Publishers never wait for one another's entries. A lease that meets an entry whose publisher has
///   reserved it and not written it yet takes what comes before, and its client stays queued.
/// * A publish that is refused after all gets its request back out of the ring, cloned; or
///   `R::everything()`, if more than `N` requests came meanwhile and it is gone.
///
/// `N` is a power of two; any other is refused when the backlog is compiled. Needs no heap; a large ring on
/// the heap is made by putting the queue into a `Box` or an `Arc`.
///
/// ```
/// use std::sync::Arc;
/// use pushlane::backlog::{ChangeSet, Journal};
/// use pushlane::{Config, Lane, PushQueue, Target};
///
/// type Changes = Arc<ChangeSet<&'static str>>;
///
/// let queue = PushQueue::<Journal<Changes, 64>>::new(Config::new(10));
/// for _ in 0..10 {
///     queue.register()?;
/// }
/// queue.publish(Target::Everyone, Lane::Normal, Arc::new(ChangeSet::from(["route/a"])))?;
/// queue.publish(Target::Everyone, Lane::Normal, Arc::new(ChangeSet::from(["route/b"])))?;
///
/// let first = queue.try_lease().expect("ready");
/// let second = queue.try_lease().expect("ready");
/// assert!(first.request().contains(&"route/a") && first.request().contains(&"route/b"));
/// assert!(Arc::ptr_eq(first.request(), second.request()), "folded once, shared by both");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Journal<R, const N: usize> {
    /// How many requests have been reserved a place; the next one is written to `head % N`.
    head: AtomicUsize,
    ring: [Mutex<Option<Entry<R>>>; N],
    /// Whom the ring's entries are for. A lease looks at all that came since the last one, and most of that
    /// may be for others.
    labels: [Label; N],
    /// The fold that was computed last.
    last: Mutex<Option<Fold<R>>>,
}

struct Entry<R> {
    /// The value of `head` that reserved it.
    at: usize,
    audience: Audience,
    request: R,
}

/// The entries of `from..to` whose bits are set in `chosen`, merged.
struct Fold<R> {
    from: usize,
    to: usize,
    chosen: u64,
    merged: R,
}

/// What a lease on a [`Journal`] holds. Dereferences to the request.
#[derive(Clone, Debug)]
pub struct Folded<R> {
    request: R,
    /// How far the client's cursor moves when the push completes.
    to: usize,
}

impl<R> core::ops::Deref for Folded<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.request
    }
}

/// One client's place in a [`Journal`]: everything before it has been delivered. Only the client's owner
/// moves it.
#[derive(Debug)]
pub struct Cursor(AtomicUsize);

/// A publish's place in a [`Journal`].
#[derive(Debug)]
pub struct Position(usize);

/// What a reader finds in place of an entry.
enum Missing {
    /// Its publisher has reserved it and not written it yet.
    Unwritten,
    /// A later one has taken its place.
    Overwritten,
}

impl<R, const N: usize> Journal<R, N> {
    const POWER_OF_TWO: () = assert!(N.is_power_of_two(), "Journal: N must be a power of two");

    /// An empty journal.
    pub fn new() -> Self {
        let () = Self::POWER_OF_TWO;
        Journal {
            head: AtomicUsize::zero(),
            ring: core::array::from_fn(|_| Mutex::new(None)),
            labels: core::array::from_fn(|_| Label::empty()),
            last: Mutex::new(None),
        }
    }

    /// Whether the entry that `at` reserved was meant for the client. Without its lock, as a rule.
    #[inline]
    fn is_meant(&self, at: usize, concerned: &dyn Fn(&Audience) -> bool) -> Result<bool, Missing> {
        match self.labels[at % N].read(at) {
            Some(audience) => Ok(concerned(&audience)),
            None => self.read(at, |entry| concerned(&entry.audience)),
        }
    }

    /// Runs `read` on the entry that `at` reserved.
    fn read<T>(&self, at: usize, read: impl FnOnce(&Entry<R>) -> T) -> Result<T, Missing> {
        match &*self.ring[at % N].lock() {
            Some(entry) if entry.at == at => Ok(read(entry)),
            // Behind by a whole number of rounds, or nothing yet.
            Some(entry) if entry.at.wrapping_sub(at) > usize::MAX / 2 => Err(Missing::Unwritten),
            None => Err(Missing::Unwritten),
            Some(_) => Err(Missing::Overwritten),
        }
    }
}

impl<R: Merge + Clone, const N: usize> Journal<R, N> {
    /// Merges those entries of `from..to` that were meant for the client. The answer says how far it got,
    /// and `Err` that an entry is gone.
    fn fold(
        &self,
        from: usize,
        to: usize,
        concerned: &dyn Fn(&Audience) -> bool,
    ) -> Result<(Option<R>, usize), Missing> {
        let window = to.wrapping_sub(from);
        if window > u64::BITS as usize {
            return self.fold_long(from, to, concerned);
        }
        let (mut chosen, mut reached) = (0_u64, to);
        for step in 0..window {
            match self.is_meant(from.wrapping_add(step), concerned) {
                Ok(meant) => chosen |= u64::from(meant) << step,
                Err(Missing::Unwritten) => {
                    reached = from.wrapping_add(step);
                    break;
                }
                Err(gone) => return Err(gone),
            }
        }
        if chosen == 0 {
            return Ok((None, reached));
        }
        if chosen.is_power_of_two() {
            // Nothing to be merged, so there is nothing that others could use again.
            let only = from.wrapping_add(chosen.trailing_zeros() as usize);
            return Ok((Some(self.read(only, |entry| entry.request.clone())?), reached));
        }
        if let Some(fold) = &*self.last.lock()
            && (fold.from, fold.to, fold.chosen) == (from, reached, chosen)
        {
            return Ok((Some(fold.merged.clone()), reached));
        }
        let mut merged = None;
        for step in (0..window).filter(|step| chosen >> step & 1 != 0) {
            self.read(from.wrapping_add(step), |entry| absorb(&mut merged, &entry.request))?;
        }
        let fold = merged.clone().map(|merged| Fold { from, to: reached, chosen, merged });
        // The one before is dropped after the lock is released: its destructor may take its time.
        let before = core::mem::replace(&mut *self.last.lock(), fold);
        drop(before);
        Ok((merged, reached))
    }

    /// As `fold`, for a window too long to be shared.
    fn fold_long(
        &self,
        from: usize,
        to: usize,
        concerned: &dyn Fn(&Audience) -> bool,
    ) -> Result<(Option<R>, usize), Missing> {
        let mut merged = None;
        for step in 0..to.wrapping_sub(from) {
            let at = from.wrapping_add(step);
            match self.is_meant(at, concerned) {
                Ok(false) => {}
                Ok(true) => self.read(at, |entry| absorb(&mut merged, &entry.request))?,
                Err(Missing::Unwritten) => return Ok((merged, at)),
                Err(gone) => return Err(gone),
            }
        }
        Ok((merged, to))
    }
}

fn absorb<R: Merge + Clone>(merged: &mut Option<R>, request: &R) {
    match merged {
        Some(merged) => merged.merge(request),
        None => *merged = Some(request.clone()),
    }
}

impl<R: Everything + Clone, const N: usize> Backlog for Journal<R, N> {
    type Request = R;
    type Payload = Folded<R>;
    type Cells = [Cursor; SLOTS];
    /// Where the request is, to be given back if the publish is refused after all.
    type Recording = Position;

    const RECORDS: bool = false;

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| Cursor(AtomicUsize::zero()))
    }

    fn begin(&self, request: R, audience: Audience) -> Position {
        // Nothing that the user has written runs until the entry is: a panic must not leave a place that
        // nobody writes, at which every client's lease would end for a whole round.
        // Release: with the Acquire in `take`. Whoever sees the place taken sees what was written before
        // the publish, also if the entry itself is still missing or gone.
        let at = self.head.fetch_add(1, Ordering::AcqRel);
        let mut entry = Some(Entry { at, audience, request });
        {
            let mut place = self.ring[at % N].lock();
            let later = |there: &Entry<R>| there.at.wrapping_sub(at) <= usize::MAX / 2;
            // A publisher that was overtaken by a whole round leaves the later entry alone.
            if !place.as_ref().is_some_and(later) {
                // Before the lock is released: whoever reads the label finds the entry, or waits for it.
                self.labels[at % N].write(at, &audience);
                core::mem::swap(&mut *place, &mut entry);
            }
        }
        // The one before is dropped after the lock is released: its destructor may take its time.
        drop(entry);
        Position(at)
    }

    fn abandon(&self, Position(at): Position) -> R {
        // The entry stays. At worst somebody is told more than concerns it.
        self.read(at, |entry| entry.request.clone()).unwrap_or_else(|_| R::everything())
    }

    fn record(&self, _: &mut Position, _: &Self::Cells, _: usize) {}

    fn take(
        &self,
        cursors: &Self::Cells,
        slot: usize,
        concerned: &dyn Fn(&Audience) -> bool,
    ) -> Taken<Folded<R>> {
        let cursor = &cursors[slot];
        let from = cursor.0.load(Ordering::Relaxed); // the owner's own
        let head = self.head.load(Ordering::Acquire); // with `begin`
        let folded = if head.wrapping_sub(from) > N {
            Err(Missing::Overwritten)
        } else {
            self.fold(from, head, concerned)
        };
        match folded {
            Ok((None, to)) => {
                cursor.0.store(to, Ordering::Relaxed);
                Taken { payload: None, whole: to == head }
            }
            Ok((Some(request), to)) => {
                Taken { payload: Some(Folded { request, to }), whole: to == head }
            }
            // What can't be told one by one is all there is; that covers unwritten entries as well.
            Err(_) => Taken::whole(Some(Folded { request: R::everything(), to: head })),
        }
    }

    fn deliver(&self, cursors: &Self::Cells, slot: usize, payload: &Folded<R>) {
        // Relaxed: handed to the slot's next owner by the bank's word.
        cursors[slot].0.store(payload.to, Ordering::Relaxed);
    }

    /// The cursor has not moved: the next lease folds the same entries again, and what came since.
    fn restore(&self, _: &Self::Cells, _: usize, _: Folded<R>) {}

    /// Everything so far was for others.
    fn clear(&self, cursors: &Self::Cells, slot: usize) {
        cursors[slot].0.store(self.head.load(Ordering::Acquire), Ordering::Relaxed); // with `begin`
    }
}

#[cfg(not(loom))]
impl<R: Everything + Clone, const N: usize> super::ConstBacklog for Journal<R, N> {
    const EMPTY: Self = {
        let () = Self::POWER_OF_TWO;
        Journal {
            head: AtomicUsize::ZERO,
            ring: [const { Mutex::new(None) }; N],
            labels: [const { Label::const_empty() }; N],
            last: Mutex::new(None),
        }
    };
    const CELLS: Self::Cells = [const { Cursor(AtomicUsize::ZERO) }; SLOTS];
}

impl<R, const N: usize> Default for Journal<R, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, const N: usize> fmt::Debug for Journal<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Of different powers of two, so that it shows whether one was merged twice.
    #[derive(Clone, Debug, PartialEq)]
    struct Sum(u128);

    impl Merge for Sum {
        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
    }

    impl Everything for Sum {
        fn everything() -> Self {
            Sum(u128::MAX)
        }
    }

    fn publish<const N: usize>(journal: &Journal<Sum, N>, sum: u128) -> Position {
        journal.begin(Sum(sum), Audience::EVERYONE)
    }

    /// Entries, each of its own power of two.
    fn publish_each<const N: usize>(journal: &Journal<Sum, N>, entries: core::ops::Range<usize>) {
        for entry in entries {
            publish(journal, 1 << entry);
        }
    }

    /// What a push of the client finds and completes; and whether that is all.
    fn push<const N: usize>(
        journal: &Journal<Sum, N>,
        cursors: &[Cursor; SLOTS],
    ) -> (Option<u128>, bool) {
        let Taken { payload, whole } = journal.take(cursors, 3, &|_| true);
        if let Some(folded) = &payload {
            journal.deliver(cursors, 3, folded);
        }
        (payload.map(|folded| folded.0), whole)
    }

    /// Of 64 entries and fewer, which are folded together; and of more.
    #[test]
    fn a_push_goes_as_far_as_what_is_written() {
        for before in [0, 1, 2, 62, 63, 64, 65, 66, 100] {
            let journal = Journal::<Sum, 128>::new();
            let cursors = journal.cells();
            publish_each(&journal, 0..before);
            journal.head.fetch_add(1, Ordering::Relaxed); // a publisher that has not written yet
            publish(&journal, 1 << 120);
            let written = (before > 0).then(|| (1 << before) - 1);
            assert_eq!(push(&journal, &cursors), (written, false));
            assert_eq!(push(&journal, &cursors), (None, false), "it has had that");
            journal.head.store(before, Ordering::Relaxed);
            publish(&journal, 1 << 110);
            journal.head.store(before + 2, Ordering::Relaxed);
            assert_eq!(push(&journal, &cursors), (Some(1 << 110 | 1 << 120), true));
            assert_eq!(push(&journal, &cursors), (None, true));
        }
    }

    #[test]
    fn a_fold_of_as_many_entries_as_a_word_has_bits_is_kept_for_others() {
        for (entries, is_kept) in [(1, false), (2, true), (64, true), (65, false)] {
            let journal = Journal::<Sum, 128>::new();
            let cursors = journal.cells();
            publish_each(&journal, 0..entries);
            assert_eq!(push(&journal, &cursors), (Some((1 << entries) - 1), true));
            assert_eq!(journal.last.lock().is_some(), is_kept, "{entries}");
        }
    }

    #[test]
    fn what_is_not_written_is_told_from_what_is_gone() {
        let journal = Journal::<Sum, 2>::new();
        let read = |at| journal.read(at, |entry| entry.request.0);
        assert!(matches!(read(0), Err(Missing::Unwritten)), "nothing is there");
        publish_each(&journal, 0..2);
        for at in [2, 3, 4, usize::MAX / 2 - 1] {
            assert!(matches!(read(at), Err(Missing::Unwritten)), "{at}: an older one is there");
        }
        publish(&journal, 4);
        assert!(matches!(read(0), Err(Missing::Overwritten)));
        assert!(matches!((read(1), read(2)), (Ok(2), Ok(4))));
        assert!(matches!(read(usize::MAX - 1), Err(Missing::Overwritten)), "before all of them");
    }

    #[test]
    fn a_publisher_that_is_overtaken_by_a_round_leaves_the_later_entry() {
        let journal = Journal::<Sum, 2>::new();
        publish_each(&journal, 0..3);
        journal.head.store(0, Ordering::Relaxed); // it had reserved its place then
        let late = publish(&journal, 64);
        assert!(matches!(journal.read(2, |entry| entry.request.0), Ok(4)));
        assert!(journal.labels[0].read(2).is_some() && journal.labels[0].read(0).is_none());
        assert_eq!(journal.abandon(late), Sum(u128::MAX), "it is nowhere");
        journal.head.store(3, Ordering::Relaxed);
        let cursors = journal.cells();
        assert_eq!(push(&journal, &cursors), (Some(u128::MAX), true));
    }

    /// The fold before is used for the same entries only.
    #[test]
    fn whoever_has_other_entries_to_fold_gets_another_fold() {
        let journal = Journal::<Sum, 64>::new();
        let cursors = journal.cells();
        publish_each(&journal, 0..4);
        let take = |slot, meant: u32| {
            let next = core::cell::Cell::new(0);
            let concerned = |_: &Audience| meant >> next.replace(next.get() + 1) & 1 != 0;
            journal.take(&cursors, slot, &concerned).payload.map(|folded| folded.0)
        };
        for meant in [0b1111, 0b0111, 0b1110, 0b1110, 0b0101, 0b0010, 0b1111] {
            assert_eq!(take(0, meant).unwrap_or(0), meant.into());
        }
        journal.clear(&cursors, 1); // it comes only now
        publish_each(&journal, 4..8);
        assert_eq!((take(1, 0b1111), take(0, 0b1111)), (Some(0b1111_0000), Some(0b1111)));
        assert_eq!(take(1, 0b0101), Some(0b0101_0000));
    }
}
