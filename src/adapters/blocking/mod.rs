//! Serving a queue with threads, for handlers that block.

mod crew;
mod park;
mod watch;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use std::io;

use self::crew::Crew;
use super::options::Options;
use super::push::{Handle, Push};
use crate::queue::Serve;

/// Serves a queue with a fixed number of threads, for as long as it lives: each calls `handler(push)` for
/// one lease after another.
///
/// It holds no work itself: a thread that is free asks the queue.
///
/// * **Deadline**: past it the client is evicted and the permit comes back. The thread can't be stopped:
///   another one takes its place, so that the pool keeps its size, and when the handler returns at last,
///   nothing it does with the push has any effect on anybody, and its thread ends. At most
///   [`stuck_threads`](Options::stuck_threads) are replaced at a time; beyond that the pool shrinks until
///   some come back. Handlers that block in steps do well to look at [`Push::is_expired`] in between.
/// * **Panic**: stops nothing; the push is requeued, and [reported](Options::on_panic).
/// * **[`drain`](Pool::drain)** ends in good order. **Dropping** the pool ends it abruptly, without waiting:
///   each thread ends after the push it is at, and all that is pending stays in the queue, for another
///   pool.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Options, blocking::Pool};
/// use pushlane::{Config, Lane, Target, backlog::Dirty};
///
/// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
/// let options = Options::deadline(Duration::from_secs(5))
///     .on_evict(|client, reason| eprintln!("{client:?} is disconnected: {reason}"));
/// let pool = Pool::start(Arc::clone(&queue), 8, options, |mut push| {
///     // ... prepare what `push.key()` needs ...
///     push.release_permit();
///     // ... and send it ...
///     push.complete();
/// })?;
///
/// let client = queue.register()?;
/// queue.publish(Target::One(client), Lane::Normal, ())?;
/// assert!(pool.drain());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<Q: Handle> {
    crew: Arc<Crew<Q>>,
}

impl<Q: Handle> Pool<Q> {
    /// Starts `threads` threads, at least one, and with a deadline one more that watches over it.
    ///
    /// # Errors
    ///
    /// When the system has no more threads.
    pub fn start<H>(queue: Q, threads: usize, options: Options, handler: H) -> io::Result<Self>
    where
        H: Fn(Push<Q>) + Send + Sync + 'static,
    {
        let crew = Crew::start(queue, threads.max(1), options, Box::new(handler))?;
        Ok(Pool { crew })
    }

    /// How many threads are at work: as many as the pool was started with, less those that are stuck and
    /// could not be replaced.
    pub fn at_work(&self) -> usize {
        self.crew.count().0
    }

    /// How many threads are stuck in a handler past its deadline.
    pub fn stuck(&self) -> usize {
        self.crew.count().1
    }

    /// Closes the queue, serves what is pending, and returns when no thread is at work any more. True if
    /// everything was served; false only if all threads got stuck and could not be replaced.
    ///
    /// Stuck threads are not waited for. Without a deadline, a handler that hangs is waited for. A client
    /// whose pushes fail for ever has to be unregistered by somebody.
    pub fn drain(self) -> bool {
        self.crew.queue().close();
        self.crew.wait()
    }
}

impl<Q: Handle> Drop for Pool<Q> {
    fn drop(&mut self) {
        self.crew.stop();
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
