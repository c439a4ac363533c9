//! How a push ends, and what is said of it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::queue::Serve;
use crate::registry::ClientKey;

/// Why a push has failed: any error, and with `?` or `into()` also a text.
pub type PushError = Box<dyn Error + Send + Sync>;

/// What a handler returns. `Ok`: the client has all that the request contained, and the push is
/// complete. `Err`: it goes back into the queue, and is tried again after a [`Backoff`].
///
/// [`Backoff`]: super::Backoff
///
/// ```
/// use pushlane::adapters::Outcome;
///
/// fn send(frame: &str, connection: &mut Vec<u8>) -> Outcome {
///     if frame.is_empty() {
///         return Err("nothing to send".into());
///     }
///     std::io::Write::write_all(connection, frame.as_bytes())?;
///     Ok(())
/// }
/// # assert!(send("", &mut Vec::new()).is_err() && send("a", &mut Vec::new()).is_ok());
/// ```
pub type Outcome = Result<(), PushError>;

/// Why an adapter has unregistered a client.
///
/// Close the client's connection: the queue has forgotten what it was owed, so it has to come back
/// as a newcomer and start from everything.
#[derive(Debug)]
#[non_exhaustive]
pub enum EvictReason {
    /// A push to it had not ended after this long.
    Deadline(Duration),
    /// So many pushes to it failed in a row.
    Failures {
        /// How many: as many as [`attempts`](super::Builder::attempts) allows.
        attempts: u32,
        /// Why the last one did.
        last: PushError,
    },
}

impl fmt::Display for EvictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvictReason::Deadline(limit) => write!(f, "a push had not ended after {limit:?}"),
            EvictReason::Failures { attempts, last } => {
                write!(f, "{attempts} pushes failed in a row, the last one because: {last}")
            }
        }
    }
}

/// The clients with work left when the time of a drain, or of a wait for it, was up.
///
/// Nothing is lost: the work is in the queue, or in pushes in progress. Without clients it says
/// that the queue has not been closed, so that no drain of it has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved(pub(super) Vec<ClientKey>);

impl Unserved {
    /// The clients that have something pending, or a push in progress; or that the queue is open.
    pub(super) fn check(queue: &(impl Serve + ?Sized)) -> Result<(), Self> {
        let (queue, mut clients) = (queue.as_queue(), Vec::new());
        queue.each_unserved(|client| clients.push(client));
        if clients.is_empty() && queue.is_closed() { Ok(()) } else { Err(Unserved(clients)) }
    }

    /// The clients, in the order of their places.
    pub fn clients(&self) -> &[ClientKey] {
        &self.0
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("the queue has not been closed"),
            1 => f.write_str("1 client has not got all that it is owed"),
            clients => write!(f, "{clients} clients have not got all that they are owed"),
        }
    }
}

impl Error for Unserved {}

/// The counts of an adapter. The queue itself counts nothing, because an atomic addition for each
/// push would cost more than a lease's own bookkeeping; its state at the moment is in
/// [`queue.stats()`](crate::PushQueue::stats).
///
/// ```
/// # #[cfg(feature = "blocking")] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Dispatcher};
/// use pushlane::{Config, Lane, backlog::Dirty};
///
/// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(10)));
/// queue.register_with(Lane::Normal, ())?;
/// let pool = Dispatcher::builder(queue).start_pool(1, |_push| Ok(()))?;
/// while pool.stats().completed < 1 {}
/// assert_eq!(pool.stats().in_progress, 0);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Pushes in progress: begun and not ended.
    pub in_progress: usize,
    /// Clients that wait to be tried again, or for their pace.
    pub backing_off: usize,
    /// Pushes that have begun. Each of them is in progress, or has ended in one of the ways below,
    /// or with its client: that was evicted, or had left when the deadline passed.
    pub begun: u64,
    /// Pushes that have completed.
    pub completed: u64,
    /// Pushes that have failed, panics included.
    pub failed: u64,
    /// Pushes that have panicked.
    pub panicked: u64,
    /// Pushes that were given back without failing:
    /// [`requeue_after`](super::Push::requeue_after), and handlers that were stopped.
    pub requeued: u64,
    /// Publishes that needed no push of their own: all but one of each completed push. 0 unless the
    /// dispatcher [measures](super::Builder::measure).
    pub merged: u64,
    /// Clients that have been evicted.
    pub evicted: u64,
}
