//! Waiting for a queue, on any executor: [`Waiters`] is the signal, `next`, `converged` and
//! `drained` are the futures.
//!
//! Every wait here has the same shape: look; listen; look again; sleep. What happens before the
//! second look is seen by it, what happens after it reaches the listener, and there is nothing in
//! between.

use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::Event;

use super::wake::{Listener, notify, until};
use crate::backlog::Backlog;
use crate::lease::Lease;
#[cfg(not(loom))]
use crate::queue::Ticket;
use crate::queue::{Cursor, PushQueue, Serve};
use crate::signal::Signal;
use crate::storage::{Heap, Storage};
use crate::versions::Versions;

/// A queue that can be awaited: [`next`](PushQueue::next), [`converged`](PushQueue::converged) and
/// [`drained`](PushQueue::drained) on any executor.
///
/// ```
/// use pushlane::adapters::AsyncQueue;
/// use pushlane::{Config, Lane, Target, backlog::Dirty};
///
/// # pollster::block_on(async {
/// let queue = AsyncQueue::<Dirty>::new(Config::new(100));
/// let client = queue.register()?;
/// let version = queue.publish(Target::One(client), Lane::Normal, ())?;
/// queue.close();
///
/// while let Some(lease) = queue.next().await {
///     // ... compute what `lease.key()` needs, send it ...
///     lease.complete();
/// }
/// queue.converged(version).await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// For another order of service, `AsyncQueue<Dirty, Heap<Fifo>>`.
pub type AsyncQueue<B, S = Heap> = PushQueue<B, S, Waiters>;

/// A handle to the usual queue, [`Queue<R>`](crate::Queue), that threads and tasks can share and
/// await.
///
/// It keeps signatures short: `async fn handle(push: Push<QueueHandle<Change>>) -> Outcome`.
///
/// ```
/// use std::sync::Arc;
/// use pushlane::adapters::{AsyncQueue, QueueHandle};
/// use pushlane::{Config, backlog::ChangeSet};
///
/// let queue: QueueHandle<ChangeSet<u32>> = Arc::new(AsyncQueue::new(Config::new(100)));
/// # assert_eq!(queue.capacity(), 100);
/// ```
#[cfg(all(feature = "spin", not(loom)))]
pub type QueueHandle<R> =
    alloc::sync::Arc<AsyncQueue<crate::backlog::Journal<crate::backlog::Shared<R>>>>;

/// The [`Signal`] of a queue that can be awaited: everybody who waits for it, in order of arrival.
///
/// It is given to the queue when that is made, and never used directly.
#[derive(Default)]
pub struct Waiters {
    /// Who waits for a lease. Told once for each lease there may be.
    ready: Event,
    /// Who waits for convergence or the end of a drain. All are told, for each waits for something
    /// else.
    progress: Event,
    /// Pushes that would be abandoned for newer work. All are told.
    interruptions: Event,
}

impl Waiters {
    /// Nobody waits yet. For a queue in a `static`; elsewhere it is made by the queue's
    /// constructor.
    ///
    /// ```
    /// use pushlane::adapters::{AsyncQueue, Waiters};
    /// use pushlane::{Config, backlog::Dirty, storage::Static};
    ///
    /// static QUEUE: AsyncQueue<Dirty, Static<4>> =
    ///     AsyncQueue::const_with_signal(Config::for_static(), Waiters::new());
    /// # assert_eq!(QUEUE.capacity(), 4 * pushlane::SLOTS);
    /// ```
    #[cfg(not(loom))] // loom's types aren't made in constants
    pub const fn new() -> Self {
        Waiters { ready: Event::new(), progress: Event::new(), interruptions: Event::new() }
    }
}

impl Signal for Waiters {
    fn ready(&self, leases: usize) {
        // Additional: a plain `notify(1)` does nothing while some listener is notified and has not
        // run yet, on the grounds that one is on its way. It is on its way to *its* lease: two
        // publishes for two idle workers would wake one of them, and the other client wait for as
        // long as the first one's push takes.
        notify(&self.ready, leases);
    }

    fn progress(&self) {
        notify(&self.progress, usize::MAX);
    }

    fn interrupted(&self) {
        notify(&self.interruptions, usize::MAX);
    }

    #[cfg(not(loom))]
    fn keep_failed(&self, ticket: &Ticket) -> bool {
        super::begin::keep_failed(ticket)
    }

    fn closed(&self) {
        // Those who wait for a lease begin to wait for the end as well: see `next`.
        notify(&self.ready, usize::MAX);
        self.progress();
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiters")
    }
}

impl<B: Backlog, S: Storage> PushQueue<B, S, Waiters> {
    /// Waits for the next lease. `None` when there will be none any more: the queue has been
    /// [closed](PushQueue::close) and is [drained](PushQueue::is_drained). So a worker is a loop:
    /// `while let Some(lease) = queue.next().await`.
    ///
    /// Any number of tasks may wait at once; as many are woken as there are leases to begin, first
    /// come first served. Cancel-safe: a future that is dropped takes no lease with it, and if it
    /// had been woken, the next in line is woken in its place.
    ///
    /// While other workers still push, a worker waits even if the queue is closed: their push may
    /// fail and come back.
    pub async fn next(&self) -> Option<Lease<&Self>> {
        next(self).await
    }

    /// As [`next`](PushQueue::next), for a queue behind an `Arc` or any other handle: the future
    /// and the lease can be sent to a task that outlives the caller.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use pushlane::adapters::AsyncQueue;
    /// use pushlane::{Config, Lane, Target, backlog::Dirty};
    ///
    /// # pollster::block_on(async {
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(100)));
    /// let client = queue.register_with(Lane::Normal, ())?;
    /// let lease = AsyncQueue::next_from(Arc::clone(&queue)).await.expect("open");
    /// std::thread::spawn(move || lease.complete()).join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn next_from<Q: Deref<Target = Self>>(queue: Q) -> Option<Lease<Q>> {
        next(queue).await
    }

    /// Waits until every client that `version` concerned has completed it, or has left: a
    /// [`Version`](crate::Version) or a [`VersionSet`](crate::VersionSet).
    ///
    /// Looks after each push that completes and each client that leaves, at the first client that
    /// still holds the version back: the whole wait is one pass over the banks.
    ///
    /// ```
    /// use pushlane::adapters::AsyncQueue;
    /// use pushlane::{Config, Lane, Target, backlog::Dirty};
    ///
    /// # pollster::block_on(async {
    /// let queue = AsyncQueue::<Dirty>::new(Config::new(100));
    /// let gone = queue.register()?;
    /// let version = queue.publish(Target::Everyone, Lane::Normal, ())?;
    /// queue.unregister(gone)?;
    /// queue.converged(version).await; // nobody is left to wait for
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn converged(&self, version: impl Versions) {
        let mut at = Cursor::START;
        self.signal().until(|| self.advance(&mut at, &version)).await;
    }

    /// Waits until the queue is closed and [drained](PushQueue::is_drained). Somebody must close
    /// it, and serve it with at least one permit. Looks at the banks after each push that completes
    /// and each client that leaves, up to the first that is busy.
    pub async fn drained(&self) {
        self.signal().until(|| self.is_drained()).await;
    }
}

impl Waiters {
    #[cfg(not(loom))]
    pub(super) fn interruptions(&self) -> &Event {
        &self.interruptions
    }

    /// Waits until `holds`, which only progress can bring about.
    pub(super) async fn until(&self, holds: impl FnMut() -> bool) {
        until(&self.progress, holds).await;
    }
}

/// Waits for a lease, or for the end of the queue.
pub(super) async fn next<Q>(mut queue: Q) -> Option<Lease<Q>>
where
    Q: Deref,
    Q::Target: Serve<Signal = Waiters>,
{
    let mut looks = 0;
    loop {
        queue = match Lease::begin(queue) {
            Ok(lease) => return Some(lease),
            Err(queue) => queue,
        };
        let waiters = queue.signal();
        let ready = Listener::of(&waiters.ready);
        // An open queue doesn't end: its workers need not hear of every push that completes.
        // Whoever found it open is told when it closes.
        let end = queue.is_closed().then(|| Listener::of(&waiters.progress));

        // From here on `ready` may have been notified. If this look, or a cancellation, makes the
        // wake-up unnecessary here, it is passed on: a notified listener that is dropped notifies
        // the next one (documented at `event_listener::Event`), with `additional` kept.
        queue = match Lease::begin(queue) {
            Ok(lease) => return Some(lease),
            Err(queue) => queue,
        };
        if end.is_some() && queue.is_drained() {
            return None;
        }
        looks += 1;
        // A wake-up that is consumed by this await is followed by a look in the same poll: no
        // cancellation comes between.
        let until = Either { ready, end };
        if (Sleep { until, yields: looks == LOOKS, slept: false }).await {
            looks = 0;
        }
    }
}

/// How often one poll looks in vain, although there is something. Another thread is in the middle
/// of an operation then, and the executor has other tasks.
const LOOKS: usize = 2;

/// Done when one of the two is. The other, if notified too, passes that on.
pub(super) struct Either {
    pub(super) ready: Listener,
    pub(super) end: Option<Listener>,
}

impl Future for Either {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Either { ready, end } = &mut *self;
        match end.as_mut().map(|end| Pin::new(end).poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(()),
            _ => Pin::new(ready).poll(context),
        }
    }
}

/// The same, and whether the executor had its turn meanwhile.
struct Sleep {
    until: Either,
    /// Lets the executor poll other tasks first. No wake-up is consumed by that.
    yields: bool,
    slept: bool,
}

impl Future for Sleep {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let Sleep { until, yields, slept } = &mut *self;
        if core::mem::take(yields) {
            *slept = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let done = Pin::new(until).poll(context);
        let before = core::mem::replace(slept, true);
        done.map(|()| before)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::config::Config;
    use crate::slot::Lane;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// There is work, and no thread can get at it: those that can are paused. The queue says so
    /// each time that a lease looks, and the poll returns all the same.
    #[test]
    fn a_poll_returns_while_other_threads_are_paused() {
        let queue = AsyncQueue::<crate::backlog::Dirty>::new(Config::new(1));
        queue.register().unwrap();
        queue.pause_as_many_visits_as_can_be(Lane::Normal);
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = core::task::Waker::from(Arc::clone(&woken));
        let mut next = core::pin::pin!(queue.next());
        for polls in 1..10 {
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(woken.0.load(Ordering::Relaxed) >= polls, "it must be polled again");
        }
    }
}
