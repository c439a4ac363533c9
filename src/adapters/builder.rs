//! [`Builder`]: what is chosen before a queue is served.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::time::Duration;

use super::backoff::Backoff;
use super::measured::Measure;
use super::observe::Observer;
use super::outcome::{EvictReason, PushError};
use super::push::{Handle, Measures};
use crate::debounce::Pace;
use crate::queue::Serve;
use crate::registry::ClientKey;

/// The payload of a panic: a message, as a rule.
pub(super) type Panic = Box<dyn Any + Send>;

type OnEvict = dyn Fn(ClientKey, EvictReason) + Send + Sync;
type OnFailure = dyn Fn(ClientKey, u32, &PushError) + Send + Sync;
type OnPanic = dyn Fn(ClientKey, Panic) + Send + Sync;

/// Deadline, backoff, pace and callbacks of a dispatcher or pool.
/// [`Dispatcher::builder`](super::Dispatcher::builder) makes one; [`start`](Builder::start),
/// [`run`](Builder::run) or [`start_pool`](Builder::start_pool) consumes it.
///
/// Callbacks must not block: other deadlines wait for them. A panic in one stops nothing.
///
/// ```
/// # #[cfg(feature = "blocking")] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Backoff, Dispatcher};
/// use pushlane::{Config, backlog::Dirty};
///
/// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
/// let pool = Dispatcher::builder(queue)
///     .deadline(Duration::from_secs(5))
///     .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(60)))
///     .attempts(20)
///     .on_evict(|client, reason| eprintln!("{client} is disconnected: {reason}"))
///     .on_failure(|client, attempt, error| eprintln!("{client}, attempt {attempt}: {error}"))
///     .start_pool(8, |push| {
///         // ... prepare what `push.key()` needs, and send it ...
///         Ok(())
///     })?;
/// # assert!(pool.drain(Duration::MAX).is_ok());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is served until it is started"]
pub struct Builder<Q: Handle> {
    pub(super) queue: Q,
    pub(super) options: Options,
    pub(super) measures: Option<Measures<Q>>,
}

/// The choices.
pub(super) struct Options {
    pub(super) limit: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) pace: Option<Pace>,
    pub(super) observer: Observer,
    pub(super) attempts: Option<u32>,
    #[cfg(feature = "blocking")]
    pub(super) stuck_threads: Option<usize>,
    on_evict: Option<Box<OnEvict>>,
    on_failure: Option<Box<OnFailure>>,
    on_panic: Option<Box<OnPanic>>,
}

/// The default deadline.
const LIMIT: Duration = Duration::from_secs(30);

impl<Q: Handle> Builder<Q> {
    pub(super) fn new(queue: Q) -> Self {
        let options = Options {
            limit: Some(LIMIT),
            backoff: Backoff::default(),
            pace: None,
            observer: Observer::default(),
            attempts: None,
            #[cfg(feature = "blocking")]
            stuck_threads: None,
            on_evict: None,
            on_failure: None,
            on_panic: None,
        };
        Builder { queue, options, measures: None }
    }

    /// Each push must end within `limit` of the beginning of its lease; 30 s by default. Past the
    /// deadline the client is evicted: it is unregistered, its permit comes back, and its handler
    /// is dropped. A handler that blocks a thread of a pool can't be dropped; it is abandoned.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.options.limit = Some(limit);
        self
    }

    /// A push may take for ever. A client that hangs keeps its permit, unless the handler releases
    /// it early; as many hung clients as permits stop the queue.
    pub fn no_deadline(mut self) -> Self {
        self.options.limit = None;
        self
    }

    /// How long a client waits after a failed push. Meanwhile it holds no permit, and what is
    /// published for it merges.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// At least this interval between the beginnings of two pushes to a client. Off by default.
    ///
    /// A client that is leased too early waits without a permit; what is published meanwhile merges
    /// and has not converged. The urgent lane does not wait;
    /// [`Backoff::cut_short_by_urgent`] also ends waits that have begun. An adaptive pace follows
    /// [`queue.stats().busy`](crate::Stats::busy), read every 10 ms at most.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, Dispatcher};
    /// use pushlane::debounce::{Pace, Stretch};
    /// use pushlane::{Config, backlog::Dirty};
    ///
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000)));
    /// let (idle, busy) = (Duration::ZERO, Duration::from_millis(500));
    /// let pool = Dispatcher::builder(queue)
    ///     .pace(Pace::new(Stretch::between(idle, busy, 200)))
    ///     .start_pool(8, |push| Ok(()))?;
    /// # assert!(pool.drain(Duration::MAX).is_ok());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pace(mut self, pace: Pace) -> Self {
        self.options.pace = Some(pace);
        self
    }

    /// Asks each request how many publishes it contains and how old the oldest is: for
    /// [`Stats::merged`](super::Stats::merged), and for the metrics of queue time and merging.
    /// Requests are [`Measured`](super::Measured), or say so themselves.
    pub fn measure(mut self) -> Self
    where
        <Q::Target as Serve>::Payload: Measure,
    {
        self.measures = Some(|request| (request.published(), request.publishes()));
        self
    }

    /// Meters what the dispatcher does, under this name: every metric has the label `queue`.
    /// Install the recorder before. [The table of metrics](super#metrics) says what there is.
    ///
    /// Once a second it also looks at each client that waits.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, queue: &'static str) -> Self {
        self.options.observer = Observer::new(queue);
        self
    }

    /// Evicts a client after `most` failed pushes in a row, at least one. By default pushes are
    /// retried for ever.
    pub fn attempts(mut self, most: u32) -> Self {
        self.options.attempts = Some(most);
        self
    }

    /// For a pool: how many threads that are stuck past their deadline are replaced. Beyond that
    /// the pool shrinks until one comes back. Default: the size of the pool.
    #[cfg(feature = "blocking")]
    pub fn stuck_threads(mut self, most: usize) -> Self {
        self.options.stuck_threads = Some(most);
        self
    }

    /// Called after a client has been evicted, once for each. The value of a client of
    /// [`Clients`](super::Clients) stays where it is: [`close_evicted`](Builder::close_evicted)
    /// takes it out.
    pub fn on_evict(
        mut self,
        callback: impl Fn(ClientKey, EvictReason) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_evict = Some(Box::new(callback));
        self
    }

    /// Called after a failed push, with the client, the number of failures in a row, and the error.
    pub fn on_failure(
        mut self,
        callback: impl Fn(ClientKey, u32, &PushError) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_failure = Some(Box::new(callback));
        self
    }

    /// Called after a panic of a handler, or of other code that runs for a push (a merge, the drop
    /// of a request), with the client and the panic's payload. A handler's panic is a failed push,
    /// unless the push had ended before.
    pub fn on_panic(
        mut self,
        callback: impl Fn(ClientKey, Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_panic = Some(Box::new(callback));
        self
    }
}

impl Options {
    pub(super) fn evicted(&self, client: ClientKey, reason: EvictReason) {
        shielded(|| self.observer.evicted(client, &reason));
        shielded(|| match &self.on_evict {
            Some(callback) => callback(client, reason),
            None => drop(reason),
        });
    }

    pub(super) fn failed(&self, client: ClientKey, attempt: u32, error: &PushError) {
        shielded(|| self.observer.failed(client, attempt, error));
        if let Some(callback) = &self.on_failure {
            shielded(|| callback(client, attempt, error));
        }
    }

    pub(super) fn panicked(&self, client: ClientKey, panic: Panic) {
        shielded(|| self.observer.panicked(client, &panic));
        shielded(|| match &self.on_panic {
            Some(callback) => callback(client, panic),
            None => drop(panic),
        });
    }
}

/// A panic in here has been reported by the panic hook, and stops nothing.
pub(super) fn shielded(what: impl FnOnce()) {
    if let Err(panic) = caught(what) {
        // Dropping it could panic as well.
        core::mem::forget(panic);
    }
}

pub(super) fn caught<T>(what: impl FnOnce() -> T) -> Result<T, Panic> {
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(what))
}

impl<Q: Handle> fmt::Debug for Builder<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("deadline", &self.options.limit)
            .field("backoff", &self.options.backoff)
            .field("attempts", &self.options.attempts)
            .finish_non_exhaustive()
    }
}
