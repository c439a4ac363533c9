//! Serving a queue with threads, for handlers that block.

mod workers;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::time::Instant;

use self::workers::Workers;
use super::builder::Builder;
use super::outcome::{Outcome, Stats, Unserved};
use super::push::{Handle, Push};

/// Serves a queue with a fixed number of threads, for as long as it lives: each calls
/// `handler(push)` for one lease after another. [`start_pool`](Builder::start_pool) starts it.
///
/// It holds no work itself: a thread that is free asks the queue. Failures, panics and backoff are
/// as in the [`Dispatcher`](super::Dispatcher); a client that backs off takes no thread.
///
/// * **Deadline**: past it the client is evicted and the permit comes back. The thread can't be
///   stopped: another one takes its place, so that the pool keeps its size, and when the handler
///   returns at last, nothing it does with the push has any effect, and its thread ends. At most
///   [`stuck_threads`](Builder::stuck_threads) are replaced at a time; beyond that the pool shrinks
///   until some come back. Handlers that block in steps do well to look at [`Push::is_expired`] in
///   between.
/// * **[`drain`](Pool::drain)** ends in good order. **Dropping** the pool ends it abruptly, without
///   waiting: each thread ends after the push it is at, and all that is pending stays in the queue,
///   for another pool.
#[must_use = "a pool that is dropped serves nothing"]
pub struct Pool<Q: Handle> {
    workers: Arc<Workers<Q>>,
}

impl<Q: Handle> Builder<Q> {
    /// Serves the queue with so many threads, at least one, and one more that watches the clock.
    ///
    /// # Errors
    ///
    /// When the system has no more threads.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, Dispatcher};
    /// use pushlane::{Config, Lane, Target, backlog::Dirty};
    ///
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
    /// let pool = Dispatcher::builder(Arc::clone(&queue))
    ///     .deadline(Duration::from_secs(5))
    ///     .on_evict(|client, reason| eprintln!("{client} is disconnected: {reason}"))
    ///     .start_pool(8, |mut push| {
    ///         // ... prepare what `push.key()` needs ...
    ///         push.release_permit();
    ///         // ... and send it ...
    ///         Ok(())
    ///     })?;
    ///
    /// let client = queue.register()?;
    /// queue.publish(Target::One(client), Lane::Normal, ())?;
    /// pool.drain(Duration::from_secs(5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_pool<H>(self, threads: usize, handler: H) -> io::Result<Pool<Q>>
    where
        H: Fn(Push<Q>) -> Outcome + Send + Sync + 'static,
    {
        let Builder { queue, options, measures } = self;
        let workers =
            Workers::start(queue, threads.max(1), (options, measures), Box::new(handler))?;
        Ok(Pool { workers })
    }
}

impl<Q: Handle> Pool<Q> {
    /// How many threads are at work: as many as the pool was started with, less those that are
    /// stuck and could not be replaced.
    pub fn at_work(&self) -> usize {
        self.workers.count().0
    }

    /// How many threads are stuck in a handler past its deadline.
    pub fn stuck(&self) -> usize {
        self.workers.count().1
    }

    /// What it has done, and does. Takes the pool's lock, and looks at each push in progress.
    pub fn stats(&self) -> Stats {
        self.workers.stats()
    }

    /// Closes the queue, serves what is pending, and returns when no thread is at work any more, or
    /// after `within`. Clients that back off are not hurried, and stuck threads not waited for.
    ///
    /// # Errors
    ///
    /// The clients that have not got all that they are owed: the time was up, or all threads got
    /// stuck and could not be replaced. A handler that runs goes on to its end.
    pub fn drain(self, within: Duration) -> Result<(), Unserved> {
        self.workers.drain(within)
    }
}

impl<Q: Handle> Drop for Pool<Q> {
    fn drop(&mut self) {
        self.workers.stop();
    }
}

impl<Q: Handle> fmt::Debug for Pool<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("at_work", &self.at_work())
            .field("stuck", &self.stuck())
            .finish_non_exhaustive()
    }
}

/// Blocks the thread until the future is done, or until a moment; never, if there is none.
pub(in crate::adapters) fn block_on_until<F: Future>(
    until: Option<Instant>,
    future: F,
) -> Option<F::Output> {
    let (parker, unparker) = parking::pair();
    let (mut future, waker) = (pin!(future), unparker.into());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        // Returns at once if the waker was called meanwhile.
        match until {
            None => parker.park(),
            Some(until) if Instant::now() >= until => return None,
            Some(until) => drop(parker.park_deadline(until)),
        }
    }
}
