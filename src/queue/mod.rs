//! [`PushQueue`]: the parts put together, and nothing else.

mod batch;
mod clients;
mod converge;
mod expand;
mod lanes;
mod make;
mod numbers;
mod publish;
#[cfg(feature = "alloc")]
mod publish_each;
mod serve;
mod stats;
#[cfg(feature = "alloc")]
mod track;

use core::fmt;

use crate::backlog::Backlog;
use crate::banks::Banks;
use crate::convergence::Convergence;
use crate::fan_out::FanOut;
use crate::limiter::{Limiter, MAX_PERMITS};
use crate::progress::Progress;
use crate::ready::lane::LaneQueue;
use crate::registry::Registry;
use crate::signal::{NoSignal, Signal};
use crate::slot::Lane;
use crate::storage::CachePadded;
use crate::storage::{Heap, Storage};
use crate::sync::AtomicUsize;
use crate::topics::Topics;

pub(crate) use batch::Entries;
#[cfg(feature = "async")]
pub(crate) use converge::Cursor;
pub use publish::Target;
pub use serve::Serve;
pub(crate) use serve::{Outlook, Ticket};
pub use stats::Stats;
#[cfg(feature = "alloc")]
pub(crate) use track::Outcome;

/// The queue: which client is pushed to, when, and with what.
///
/// For each client the queue keeps one merged request and at most one push in progress, and it
/// bounds how many pushes are prepared at once over all clients. Publishers call
/// [`publish`](PushQueue::publish), workers call [`try_lease`](PushQueue::try_lease), both from any
/// number of threads; no operation blocks.
///
/// * `B`: what a publish carries, see [`backlog`](crate::backlog).
/// * `S`: where the queue lives, and in which order it serves, see [`storage`](crate::storage).
///   [`StaticQueue`] is the one for a `static`.
/// * `N`: how workers are notified, see [`Signal`].
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(100).permits(8));
/// let client = queue.register()?;
///
/// let version = queue.publish(Target::Everyone, Lane::Normal, ())?;
/// while let Some(lease) = queue.try_lease() {
///     // ... compute what `lease.key()` needs, send it ...
///     lease.complete();
/// }
/// assert!(queue.is_converged(version));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
///
/// Each operation states its progress. *Wait-free*: it ends after a bounded number of steps.
/// *Lock-free*: it retries only where another operation has succeeded. *The backlog's lock*: it
/// records, takes or drops requests. [`Dirty`](crate::backlog::Dirty) and
/// [`Bits`](crate::backlog::Bits) have no lock, so with them the operation is lock-free. Operations
/// that take no lock are interrupt-safe. No operation waits for user code on another thread, except
/// for a `clone` or `merge` under the backlog's lock. (With `Fifo` as the order of service,
/// operations spin while another thread is stalled in it.)
///
/// # User code
///
/// `clone` and `merge` of a request run when it is published and when a lease begins. Its
/// destructor also runs when a push ends and when a client leaves or comes. A panic of one of them
/// ends the operation and nothing else: permits and places come back, the other clients lose
/// nothing, and versions converge neither early nor never. A publish that panics may have reached
/// all, some or none of its clients.
///
/// The exception is Rust's own: a second panic on an unwinding thread aborts the process. With
/// feature `std` the queue runs no destructor of a request while it unwinds, and leaves the request
/// in its vacant slot. It does call the [`Signal`], which must not panic.
///
/// Destructors, signals and wakers may use the queue. A `clone` or `merge` must not, because the
/// backlog's lock is held: with feature `std` it panics, without it deadlocks.
///
/// A vacant slot keeps at most one request, until its next client comes. It is there if a publish
/// was under way when the last client left, or a panic unwound.
pub struct PushQueue<B: Backlog, S: Storage = Heap, N: Signal = NoSignal> {
    /// Every slot's state. Any thread, at any time, by one transition.
    banks: Banks<S>,
    /// What each slot has pending. Publishers record, the slot's owner takes.
    cells: S::Banks<B::Cells>,
    backlog: B,
    /// Which banks hold a ready slot, for each lane.
    lanes: [CachePadded<LaneQueue<S::Ready>>; 2],
    /// Publishes to everyone that workers mark on demand, for each lane. Publishers raise, workers
    /// visit.
    fan_outs: [FanOut; 2],
    /// Claims since banks were last expanded; a hint. See [`PushQueue::expand_if_due`].
    claims_since_expand: AtomicUsize,
    /// Urgent leases in a row; a hint that each claim updates. See [`PushQueue::preferred`].
    urgent_run: CachePadded<AtomicUsize>,
    urgent_ratio: usize,
    registry: Registry<S>,
    topics: Topics<S>,
    /// How far each slot is. Its owner writes, any thread reads.
    progress: S::Banks<Progress>,
    convergence: Convergence,
    limiter: CachePadded<Limiter>,
    signal: N,
}

/// The usual queue: any request that merges, on the heap. `R` is shared behind an `Arc`, so a
/// fan-out stores a pointer and equal merges are computed once; a publish to everyone costs the
/// same for any number of clients.
///
/// ```
/// use pushlane::backlog::ChangeSet;
/// use pushlane::{Config, Lane, Queue, Target};
///
/// let queue = Queue::<ChangeSet<&str>>::new(Config::new(100));
/// let client = queue.register()?;
/// queue.publish(Target::One(client), Lane::Normal, ChangeSet::from(["route/a"]))?;
/// assert!(queue.try_lease().expect("ready").request().contains(&"route/a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
pub type Queue<R> = PushQueue<crate::backlog::Journal<crate::backlog::Shared<R>>>;

/// A queue without a heap, for a `static`: see [`Static`](crate::storage::Static) for the
/// parameters.
///
/// ```
/// use pushlane::{Config, Lane, StaticQueue, Target, backlog::Bits};
///
/// // Four banks: room for 64 clients on a 64-bit target.
/// static QUEUE: StaticQueue<Bits<1>, 4> = StaticQueue::const_new(Config::for_static());
///
/// let client = QUEUE.register()?;
/// QUEUE.publish(Target::One(client), Lane::Urgent, [0b1])?;
/// assert_eq!(*QUEUE.try_lease().expect("ready").request(), [0b1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type StaticQueue<
    B,
    const BANKS: usize,
    const TOPICS: usize = 0,
    const WORDS: usize = 1,
    R = crate::ready::Sweep<[AtomicUsize; WORDS]>,
    N = NoSignal,
> = PushQueue<B, crate::storage::Static<BANKS, TOPICS, WORDS, R>, N>;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    fn banks(&self) -> &Banks<S> {
        &self.banks
    }

    fn cells(&self, bank: usize) -> &B::Cells {
        &self.cells.as_ref()[bank]
    }

    fn progress(&self, bank: usize) -> &Progress {
        &self.progress.as_ref()[bank]
    }

    fn lane_queue(&self, lane: Lane) -> &LaneQueue<S::Ready> {
        &self.lanes[lane as usize]
    }

    fn fan_out(&self, lane: Lane) -> &FanOut {
        &self.fan_outs[lane as usize]
    }

    /// How many clients can be registered at once. Wait-free.
    pub fn capacity(&self) -> usize {
        self.registry.capacity()
    }

    /// How many clients are registered, those included whose last push has not ended yet.
    /// Wait-free.
    pub fn clients(&self) -> usize {
        self.registry.taken()
    }

    /// How many clients wait for a push that has not begun: the depth of the queue, for a metric.
    /// Wait-free, one load a bank.
    ///
    /// A publish to everyone that workers mark on demand ([`Dirty`](crate::backlog::Dirty),
    /// [`Journal`](crate::backlog::Journal)) counts as they mark its clients, not at once.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Bits};
    ///
    /// let queue = PushQueue::<Bits<1>>::new(Config::new(100));
    /// let client = queue.register()?;
    /// queue.publish(Target::One(client), Lane::Normal, [0b01])?;
    /// queue.publish(Target::One(client), Lane::Urgent, [0b10])?;
    /// assert_eq!(queue.waiting(), 1, "one push, however often it was published");
    /// let lease = queue.try_lease().expect("ready");
    /// assert_eq!(queue.waiting(), 0, "the push has begun");
    /// # lease.complete();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waiting(&self) -> usize {
        self.banks().iter().map(|bank| bank.load().waiting().count_ones() as usize).sum()
    }

    /// How many topics there are. Wait-free.
    pub fn topics(&self) -> usize {
        self.topics.count()
    }

    /// How many pushes may be prepared at once. Wait-free.
    pub fn permits(&self) -> usize {
        self.limiter.limit()
    }

    /// How many permits are held now. More than [`permits`](PushQueue::permits) after the number
    /// was lowered, until enough have come back. Pushes that began while there was no limit
    /// ([`MAX_PERMITS`](crate::MAX_PERMITS)) are not counted. Wait-free.
    pub fn permits_held(&self) -> usize {
        self.limiter.held()
    }

    /// Changes how many pushes may be prepared at once, and returns the limit there was. A higher
    /// limit counts at once, a lower one as permits come back; no push is interrupted. With 0 no
    /// lease begins. Pushes that began without a limit don't count under one that is set later.
    /// Lock-free.
    pub fn set_permits(&self, permits: usize) -> usize {
        let before = self.limiter.resize(permits);
        // What this call asked for, not the limit by now: other threads may resize meanwhile.
        let more = permits.min(MAX_PERMITS).saturating_sub(before);
        if more > 0 && !self.nothing_ready() {
            self.signal.ready(more);
        }
        before
    }

    /// The signal that the queue was made with.
    pub fn signal(&self) -> &N {
        &self.signal
    }

    /// Refuses publishes and registrations from now on. What is pending is still leased: the queue
    /// drains. Closing again changes nothing. A thread that is refused, or finds the queue closed,
    /// sees what the caller did before. Lock-free, interrupt-safe if the signal is.
    pub fn close(&self) {
        self.convergence.close();
        self.signal.closed();
    }

    /// Whether the queue has been closed. Wait-free.
    pub fn is_closed(&self) -> bool {
        self.convergence.is_closed()
    }

    /// Whether the queue is closed and every publish that was accepted has been delivered: no
    /// registered client was queued or in progress. Looks at every bank until it is true once, and
    /// stays true.
    ///
    /// A publish that is under way at the close, and refused, may still mark clients. They are
    /// leased if there are workers, and not waited for. Neither is a push in progress to a client
    /// that has left. Lock-free.
    pub fn is_drained(&self) -> bool {
        self.convergence.is_drained()
            || self.is_idle_and_closed() && {
                self.convergence.drain();
                true
            }
    }

    fn is_idle_and_closed(&self) -> bool {
        self.is_closed()
            // Before the banks: once no visit is pending, they have all marks.
            && self.is_expanded(Lane::Urgent)
            && self.is_expanded(Lane::Normal)
            // Plain loads first: usually some client is busy.
            && self.banks().iter().all(|bank| bank.load().busy() == 0)
            && self.banks().iter().all(|bank| bank.busy() == 0)
    }
}

impl<B: Backlog, S: Storage, N: Signal> fmt::Debug for PushQueue<B, S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PushQueue").field(&self.stats()).finish()
    }
}
