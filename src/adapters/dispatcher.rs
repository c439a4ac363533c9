//! [`Dispatcher`]: serving a queue with futures, on any executor.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;

use super::begin::poll_caught;
use super::book::{End, Handler, PushId};
use super::builder::{Builder, Panic, caught};
use super::observe::PushSpan;
use super::outcome::{Outcome, Stats, Unserved};
use super::push::{Handle, Push};
use super::pushes::Pushes;
use super::timer::{LONGEST, Timer};
use super::waiting::next;
use super::wake::until;
use crate::lease::Lease;

/// Serves a queue while it lives: calls `handler(push)` for each lease, and polls the future.
///
/// It holds no work; the queue is the only place where work waits. At most as many handlers run as
/// there are permits or, if handlers [release](Push::release_permit) them early, clients. Two never
/// run for one client, but for one that has ended its push by itself, runs on past its deadline and
/// blocks its thread.
///
/// * **Failure**: a handler that returns `Err` gives its push back. The client waits, longer after
///   each failure in a row ([`backoff`](Builder::backoff)), without a permit; what is published for
///   it merges. After [`attempts`](Builder::attempts) failures it is evicted.
/// * **Deadline**: past it the client is evicted and the handler dropped at its next `.await`. A
///   handler that blocks its thread can't be dropped; it belongs into a [pool of
///   threads](Builder::start_pool).
/// * **Panic**: a failure, which is [reported](Builder::on_panic). It stops nothing.
/// * **[`drain`](Dispatcher::drain)** ends in good order. **Dropping** the dispatcher ends it
///   abruptly: handlers are dropped as soon as the executor comes to it, their pushes go back, and
///   all that is pending stays in the queue, for another dispatcher.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Dispatcher};
/// use pushlane::{Config, Lane, Target, backlog::Dirty};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// # runtime.block_on(async {
/// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
/// let dispatcher = Dispatcher::builder(Arc::clone(&queue))
///     .deadline(Duration::from_secs(5))
///     .on_evict(|client, reason| eprintln!("{client} is disconnected: {reason}"))
///     .start(|mut push| async move {
///         // ... prepare what `push.key()` needs ...
///         push.release_permit();
///         // ... and send it ...
///         Ok(())
///     });
///
/// let client = queue.register()?;
/// let version = queue.publish(Target::One(client), Lane::Normal, ())?;
/// queue.converged(version).await;
/// dispatcher.drain(Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a dispatcher that is dropped serves nothing"]
pub struct Dispatcher<Q: Handle> {
    pushes: Arc<Pushes<Q>>,
}

impl<Q: Handle> Dispatcher<Q> {
    /// Says how to serve `queue`, and starts with [`start`](Builder::start) on tokio, with
    /// [`run`](Builder::run) on any executor, or with [`start_pool`](Builder::start_pool) on
    /// threads.
    pub fn builder(queue: Q) -> Builder<Q> {
        Builder::new(queue)
    }

    /// The queue's handle.
    pub fn queue(&self) -> &Q {
        self.pushes.queue()
    }

    /// What it has done, and does. Takes the dispatcher's lock, and looks at each push in progress.
    pub fn stats(&self) -> Stats {
        self.pushes.stats()
    }

    /// Closes the queue, serves what is pending, and ends when the last handler has, or after
    /// `within`, when handlers are dropped. Clients that back off are not hurried.
    ///
    /// It ends with the future that serves: later than `within` if that is not polled, or if a
    /// handler blocks the thread that polls it.
    ///
    /// If this future is dropped, so is the dispatcher.
    ///
    /// # Errors
    ///
    /// The clients that have not got all that they are owed: the time was up, or the executor has
    /// dropped the future that serves.
    pub async fn drain(self, within: Duration) -> Result<(), Unserved> {
        self.pushes.drain(within);
        until(&self.pushes.stopped, || self.pushes.has_ended()).await;
        self.pushes.drained()
    }
}

impl<Q: Handle> Drop for Dispatcher<Q> {
    fn drop(&mut self) {
        self.pushes.stop();
    }
}

impl<Q: Handle> fmt::Debug for Dispatcher<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<Q: Handle> Builder<Q> {
    /// Serves the queue within one future, on any executor: give it to a task of its own. It polls
    /// all handlers itself; a handler that needs another thread can spawn a task and await it.
    ///
    /// Dropping the future ends the dispatcher as dropping that does.
    ///
    /// ```
    /// # #[cfg(feature = "smol")] {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, Dispatcher, SmolTimer};
    /// use pushlane::{Config, Lane, backlog::Dirty};
    ///
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
    /// let (dispatcher, serving) = Dispatcher::builder(Arc::clone(&queue))
    ///     .deadline(Duration::from_secs(5))
    ///     .run(SmolTimer::default(), |push| async move {
    ///         // ... send `push.key()` what it needs ...
    ///         Ok(())
    ///     });
    /// std::thread::spawn(|| pollster::block_on(serving)); // or `smol::spawn(serving).detach()`
    ///
    /// queue.register_with(Lane::Normal, ())?;
    /// pollster::block_on(dispatcher.drain(Duration::from_secs(5)))?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<T, H, F>(
        self,
        timer: T,
        handler: H,
    ) -> (Dispatcher<Q>, impl Future<Output = ()> + Send + 'static)
    where
        T: Timer,
        H: Fn(Push<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.run_in(timer, FuturesUnordered::<Task>::new(), handler)
    }

    pub(super) fn run_in<T, S, H, F>(
        self,
        timer: T,
        tasks: S,
        handler: H,
    ) -> (Dispatcher<Q>, impl Future<Output = ()> + Send + 'static)
    where
        T: Timer,
        S: Tasks,
        H: Fn(Push<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let timer = Arc::new(timer);
        let clock = Arc::clone(&timer);
        let pushes =
            Pushes::new(self.queue, self.options, self.measures, Box::new(move || clock.now()));
        let serving = serve(EndOnDrop(Arc::clone(&pushes)), timer, tasks, Arc::new(handler));
        (Dispatcher { pushes }, serving)
    }
}

/// The handlers that run. Dropping them stops them.
pub(super) trait Tasks: Send + 'static {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static);

    /// Goes on with the tasks, if nothing else does. Ready when none is left.
    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Tasks for FuturesUnordered<Task> {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.push(Box::pin(task));
    }

    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_next_unpin(context)).is_some() {}
        Poll::Ready(())
    }
}

/// How many leases may begin before the executor gets its turn.
const AT_ONCE: usize = 64;

async fn serve<Q, T, S, H, F>(end: EndOnDrop<Q>, timer: Arc<T>, mut tasks: S, handler: Arc<H>)
where
    Q: Handle,
    T: Timer,
    S: Tasks,
    H: Fn(Push<Q>) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let pushes = &end.0;
    let mut leases = pin!(next(pushes.queue().clone()));
    let mut sleep = pin!(None);
    let mut is_drained = false;
    loop {
        // Listens before it looks, so that no later change is missed.
        let mut disturbed = pushes.disturbed();
        let due = pushes.turn(&mut || {});
        if pushes.is_stopping() {
            return;
        }
        let left = due.map(|due| due.saturating_sub(timer.now()).min(LONGEST));
        sleep.set(left.map(|left| timer.sleep(left)));
        let serving = poll_fn(|context| {
            let is_time =
                sleep.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(context).is_ready());
            if is_time || Pin::new(&mut disturbed).poll(context).is_ready() {
                return Poll::Ready(true);
            }
            let mut begun = 0;
            while !is_drained && begun < AT_ONCE {
                let Poll::Ready(lease) = poll_caught(pushes.queue(), leases.as_mut(), context)
                else {
                    break;
                };
                leases.set(next(pushes.queue().clone()));
                begun += 1;
                match lease {
                    Ok(Some(lease)) => begin(pushes, lease, &mut tasks, &handler),
                    Ok(None) => {
                        pushes.found_drained();
                        is_drained = true;
                    }
                    Err((panic, lease)) => pushes.begin_failed(lease, panic),
                }
            }
            if begun == AT_ONCE {
                context.waker().wake_by_ref();
            }
            // Also those that have just begun.
            let is_idle = tasks.poll_all(context).is_ready();
            if is_idle && is_drained { Poll::Ready(false) } else { Poll::Pending }
        });
        if !serving.await {
            return;
        }
    }
}

fn begin<Q, H, F>(
    pushes: &Arc<Pushes<Q>>,
    lease: Lease<Q>,
    tasks: &mut impl Tasks,
    handler: &Arc<H>,
) where
    Q: Handle,
    H: Fn(Push<Q>) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let Some(lease) = pushes.admit(lease) else { return };
    let (abort, registration) = AbortHandle::new_pair();
    let (pushes, handler) = (Arc::clone(pushes), Arc::clone(handler));
    let (push, id, span) = pushes.begin(lease, Handler::Task(abort));
    // Called in the task, so that a panic before its first await is caught as well.
    let handled = Box::pin(async move { handler(push).await });
    let handling =
        Abortable::new(Handling { id, pushes, span, handled: Some(handled) }, registration);
    tasks.spawn(async move {
        let _ = handling.await;
    });
}

/// A handler's future. It reports its end once, however it ends.
struct Handling<Q: Handle, F: Future> {
    id: PushId,
    pushes: Arc<Pushes<Q>>,
    span: PushSpan,
    handled: Option<Pin<Box<F>>>,
}

impl<Q: Handle, F: Future> Handling<Q, F> {
    fn end(&mut self, result: Result<End, Panic>) {
        // First what it still holds: the push above all.
        let Some(handled) = self.handled.take() else { return };
        let dropped = caught(|| self.span.within(|| drop(handled)));
        self.pushes.returned(self.id, dropped.and(result));
    }
}

impl<Q: Handle, F: Future<Output = Outcome>> Future for Handling<Q, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Handling { handled, span, .. } = &mut *self;
        let Some(handled) = handled else { return Poll::Ready(()) };
        let result = match caught(|| span.within(|| handled.as_mut().poll(context))) {
            Ok(polled) => Ok(ready!(polled).into()),
            Err(panic) => Err(panic),
        };
        self.end(result);
        Poll::Ready(())
    }
}

impl<Q: Handle, F: Future> Drop for Handling<Q, F> {
    /// Stopped before it was done: the handler has not failed.
    fn drop(&mut self) {
        self.end(Ok(End::Requeue(Duration::ZERO)));
    }
}

/// Ends the pushes with the future that keeps it, also if that is dropped before it is polled.
struct EndOnDrop<Q: Handle>(Arc<Pushes<Q>>);

impl<Q: Handle> Drop for EndOnDrop<Q> {
    fn drop(&mut self) {
        self.0.ended();
    }
}
