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

/// The [`Signal`] of a queue that can be awaited: its waiting tasks, in order of arrival.
///
/// A queue gets one when it is made. There is no other use for it.
#[derive(Default)]
pub struct Waiters {
    /// Waits for a lease. One is notified for each lease there may be.
    ready: Event,
    /// Waits for convergence or the end of a drain. All are notified: each has its own condition.
    progress: Event,
    /// Pushes that may be abandoned for newer work. All are notified.
    interruptions: Event,
}

impl Waiters {
    /// For a queue in a `static`; other constructors make it themselves.
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
        // Additional: a plain `notify(1)` does nothing while a notified listener has not run yet.
        // Two publishes would wake one of two idle workers, and the second client would wait for
        // the first one's push.
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
        super::begin::keep_failed(self, ticket)
    }

    fn closed(&self) {
        // Tasks in `next` begin to wait for the end of the drain too.
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
    /// Waits for the next lease. `None` once the queue is [closed](PushQueue::close) and
    /// [drained](PushQueue::is_drained). So a worker is a loop:
    /// `while let Some(lease) = queue.next().await`.
    ///
    /// Any number of tasks may wait; as many are woken as there are leases, first come first
    /// served. Cancel-safe: a dropped future takes no lease with it, and passes its wake-up on.
    ///
    /// A closed queue has more leases while pushes are in progress: they may fail and come back.
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

    /// Waits until the queue is closed and [drained](PushQueue::is_drained). This needs a worker,
    /// at least one permit, and a call of [`close`](PushQueue::close). Looks at the banks after
    /// each push that completes and each client that leaves, up to the first busy one.
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
        let waiters = queue.as_queue().signal();
        let ready = Listener::of(&waiters.ready);
        // While the queue is open, no push that completes ends the wait; `close` notifies `ready`.
        let end = queue.as_queue().is_closed().then(|| Listener::of(&waiters.progress));

        // From here on `ready` may be notified. If this look or a cancellation makes the wake-up
        // unnecessary, it is passed on: `event_listener::Event` documents that a notified listener
        // notifies the next one when it is dropped.
        queue = match Lease::begin(queue) {
            Ok(lease) => return Some(lease),
            Err(queue) => queue,
        };
        if end.is_some() && queue.as_queue().is_drained() {
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

/// How often one poll looks in vain while there is work: another thread is in the middle of an
/// operation, and the executor has other tasks.
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
