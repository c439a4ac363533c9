//! [`Measured`]: a request that knows when it was published, and how often.

use alloc::sync::Arc;
use core::ops::Deref;
use std::time::Instant;

use crate::backlog::{Everything, Merge};

/// What a request says of the publishes that have merged into it; see
/// [`Builder::measure`](super::Builder::measure).
pub trait Measure {
    /// When the oldest of them was made. `None` if it is not known.
    fn published(&self) -> Option<Instant>;

    /// How many there are, at least one.
    fn publishes(&self) -> u64;
}

/// A request with the time of its publish. Merged, it keeps the oldest time and counts the
/// publishes.
///
/// The queue has no clock and no counters, so the measure travels with the request. It costs a
/// publish one reading of the clock, and a request 24 bytes.
///
/// ```
/// # #[cfg(all(feature = "blocking", feature = "spin"))] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Dispatcher, Measured, QueueHandle};
/// use pushlane::backlog::ChangeSet;
/// use pushlane::{Config, Lane};
///
/// let queue: QueueHandle<Measured<ChangeSet<u32>>> = Arc::new(AsyncQueue::new(Config::new(10)));
/// let client = queue.register()?;
/// for change in 0..5 {
///     queue.publish(client, Lane::Normal, Measured::new(ChangeSet::from([change])))?;
/// }
/// let pool = Dispatcher::builder(Arc::clone(&queue)).measure().start_pool(1, |push| {
///     assert_eq!(push.request().len(), Some(5)); // it is the request that was measured
///     Ok(())
/// })?;
/// queue.wait_converged(queue.barrier(), Duration::from_secs(10))?;
/// assert_eq!((pool.stats().begun, pool.stats().merged), (1, 4));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Measured<R> {
    published: Option<Instant>,
    publishes: u64,
    request: R,
}

impl<R> Measured<R> {
    /// A request that is published now.
    pub fn new(request: R) -> Self {
        Measured { published: Some(Instant::now()), publishes: 1, request }
    }

    /// The request itself.
    pub fn into_inner(self) -> R {
        self.request
    }
}

impl<R> Measure for Measured<R> {
    fn published(&self) -> Option<Instant> {
        self.published
    }

    fn publishes(&self) -> u64 {
        self.publishes
    }
}

impl<M: Measure> Measure for Arc<M> {
    fn published(&self) -> Option<Instant> {
        (**self).published()
    }

    fn publishes(&self) -> u64 {
        (**self).publishes()
    }
}

impl<R: Merge> Merge for Measured<R> {
    fn merge(&mut self, other: &Self) {
        self.request.merge(&other.request);
        self.published = self.published.into_iter().chain(other.published).min();
        self.publishes = self.publishes.saturating_add(other.publishes);
    }
}

impl<R: Everything> Everything for Measured<R> {
    /// Stands for publishes that are not remembered: it has no time, and counts as one.
    fn everything() -> Self {
        Measured { published: None, publishes: 1, request: R::everything() }
    }
}

impl<R> Deref for Measured<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.request
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_time_stays_and_publishes_add_up() {
        let first = Measured::new(());
        let later = first.published().map(|at| at + Duration::from_secs(1));
        let later = Measured { published: later, ..Measured::new(()) };
        for (mut one, other) in [(first.clone(), &later), (later.clone(), &first)] {
            one.merge(other);
            one.merge(&Measured::everything());
            assert_eq!((one.published(), one.publishes()), (first.published(), 3));
        }
    }
}
