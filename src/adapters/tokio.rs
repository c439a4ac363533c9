//! Serving a queue with tokio: one dispatcher task, each handler a task of its own.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::future::{Future, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Instant;

use ::tokio::task::{JoinError, JoinHandle, JoinSet};
use ::tokio::time::{sleep, sleep_until};

use super::grant::Grant;
use super::options::Options;
use super::push::{Handle, Push};
use super::waiting::next;
use crate::queue::Serve;

/// Serves a queue for as long as it lives: for each lease it spawns `handler(push)`.
///
/// It holds no work itself. There are at most as many tasks as pushes in progress: one for each permit,
/// and if handlers [release](Push::release_permit) theirs early, one for each client, since a client is
/// never pushed to twice at once.
///
/// * **Deadline**: past it the client is evicted and the handler dropped at its next `.await`. A handler
///   that blocks its thread can't be dropped; it belongs into [`blocking`](super::blocking).
/// * **Panic**: stops nothing; the push is requeued, and [reported](Options::on_panic).
/// * **[`drain`](Dispatcher::drain)** ends in good order. **Dropping** the dispatcher ends it abruptly:
///   handlers are dropped as soon as the runtime gets round to it, what they were at is requeued, and
///   all that is pending stays in the queue, for another dispatcher.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Options, tokio::Dispatcher};
/// use pushlane::{Config, Lane, Target, backlog::Dirty};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// # runtime.block_on(async {
/// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
/// let options = Options::deadline(Duration::from_secs(5))
///     .on_evict(|client, reason| eprintln!("{client:?} is disconnected: {reason}"));
/// let dispatcher = Dispatcher::start(Arc::clone(&queue), options, |mut push| async move {
///     // ... prepare what `push.key()` needs ...
///     push.release_permit();
///     // ... and send it ...
///     push.complete();
/// });
///
/// let client = queue.register()?;
/// let version = queue.publish(Target::One(client), Lane::Normal, ())?;
/// queue.converged(version).await;
/// dispatcher.drain().await;
/// # Ok(())
/// # })
/// # }
/// ```
pub struct Dispatcher<Q: Handle> {
    queue: Q,
    task: JoinHandle<()>,
}

impl<Q: Handle> Dispatcher<Q> {
    /// Starts serving.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or with a deadline in one whose time driver is not enabled.
    pub fn start<H, F>(queue: Q, options: Options, handler: H) -> Self
    where
        H: Fn(Push<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        if options.limit.is_some() {
            // Panics here, where somebody sees it, rather than in each push.
            drop(sleep(Duration::ZERO));
        }
        let task = ::tokio::spawn(dispatch(queue.clone(), Arc::new((options, handler))));
        Dispatcher { queue, task }
    }

    /// Closes the queue, serves what is pending, and ends when the last handler has. True if everything
    /// was served; false only if the runtime is shutting down.
    ///
    /// A handler that hangs ends by its deadline; without one, it is waited for. A client whose pushes
    /// fail for ever has to be unregistered by somebody.
    ///
    /// If this future is dropped, so is the dispatcher.
    pub async fn drain(mut self) -> bool {
        self.queue.close();
        match (&mut self.task).await.map_err(JoinError::try_into_panic) {
            Ok(()) => true,
            Err(Err(_aborted)) => self.queue.is_drained(),
            Err(Ok(panic)) => resume_unwind(panic),
        }
    }
}

impl<Q: Handle> Drop for Dispatcher<Q> {
    fn drop(&mut self) {
        // The task owns the set of handlers, which are aborted when it is dropped.
        self.task.abort();
    }
}

impl<Q: Handle> fmt::Debug for Dispatcher<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

async fn dispatch<Q, H, F>(queue: Q, serving: Arc<(Options, H)>)
where
    Q: Handle,
    H: Fn(Push<Q>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut handlers = JoinSet::new();
    while let Some(lease) = next(queue.clone()).await {
        let (push, grant) = Push::begin(lease, &serving.0, now);
        let serving = Arc::clone(&serving);
        handlers.spawn(async move {
            let (options, handler) = &*serving;
            // Called in here, so that a panic before its first await is caught as well.
            serve(options, &grant, async { handler(push).await }).await;
        });
        // The set keeps who has ended until it is asked.
        while handlers.try_join_next().is_some() {}
        // Under steady load `next` never waits; the runtime needs its turn all the same.
        ::tokio::task::consume_budget().await;
    }
    while handlers.join_next().await.is_some() {}
}

/// Carries one push out, until the handler has returned and the push has ended, or the deadline passes.
async fn serve<Q: Handle>(options: &Options, grant: &Grant<Q>, handling: impl Future<Output = ()>) {
    let mut handling = pin!(Some(handling));
    let served = async {
        if let Err(panic) = caught(handling.as_mut()).await {
            options.panicked(grant.client(), panic);
        }
        // Whatever a future that is done or has panicked still holds.
        handling.set(None);
        // The handler may have sent the push on.
        if grant.deadline().is_some() {
            grant.over().await;
        }
    };
    let Some(deadline) = grant.deadline() else {
        return served.await;
    };
    let (mut served, mut deadline) = (pin!(served), pin!(sleep_until(deadline.into())));
    let in_time = poll_fn(|context| match served.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| false),
    });
    if !in_time.await {
        // Evicted first; the handler is dropped when this function returns. Dropped before, the push would
        // go back into the queue, and be leased once more.
        options.expire(grant);
    }
}

/// Polls the future, if there is one, until it is done or panics.
async fn caught<F: Future<Output = ()>>(
    mut future: Pin<&mut Option<F>>,
) -> Result<(), Box<dyn Any + Send>> {
    poll_fn(|context| {
        let Some(future) = future.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(()));
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Tokio's clock, which may be paused.
fn now() -> Instant {
    ::tokio::time::Instant::now().into_std()
}
