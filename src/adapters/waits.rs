//! Waiting for a queue, but not for ever.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
#[cfg(feature = "blocking")]
use std::time::Instant;

#[cfg(feature = "blocking")]
use super::blocking::block_on_until;
use super::delivery::{self, Delivered, Laggards};
use super::outcome::Unserved;
use super::timer::{LONGEST, Timer};
use super::waiting::Waiters;
use crate::backlog::Backlog;
use crate::queue::PushQueue;
use crate::storage::Storage;
use crate::versions::Versions;

impl<B: Backlog, S: Storage> PushQueue<B, S, Waiters> {
    /// As [`converged`](PushQueue::converged), but for so long at most, and says how many clients
    /// completed `version` and how many are gone. The recipients are those that are there when this
    /// is first polled: call it right after the publish. See [`Tracker`](crate::Tracker).
    ///
    /// # Errors
    ///
    /// [`Laggards`]: the clients that hold `version` back when the time is up.
    ///
    /// ```
    /// # #[cfg(feature = "smol")] {
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, SmolTimer};
    /// use pushlane::{Config, Lane, Target, backlog::Dirty};
    ///
    /// # pollster::block_on(async {
    /// let queue = AsyncQueue::<Dirty>::new(Config::new(100));
    /// let (client, timer) = (queue.register()?, SmolTimer::default());
    /// let version = queue.publish(Target::One(client), Lane::Normal, ())?;
    /// let late = queue.converged_within(version, &timer, Duration::from_millis(1)).await;
    /// assert_eq!(late.unwrap_err().missing, [client]);
    ///
    /// queue.try_lease().expect("ready").complete();
    /// let delivered = queue.converged_within(version, &timer, Duration::from_secs(1)).await?;
    /// assert_eq!((delivered.completed, delivered.left), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub async fn converged_within<V: Versions>(
        &self,
        version: V,
        timer: &impl Timer,
        within: Duration,
    ) -> Result<Delivered, Laggards> {
        let mut tracker = self.track(version);
        let converged = self.signal().until(|| tracker.advance());
        by(timer, within, converged).await;
        delivery::look(tracker)
    }

    /// As [`drained`](PushQueue::drained), but for so long at most.
    ///
    /// # Errors
    ///
    /// The clients that are still to be served when the time is up.
    pub async fn drained_within(
        &self,
        timer: &impl Timer,
        within: Duration,
    ) -> Result<(), Unserved> {
        let is_drained = by(timer, within, self.drained()).await;
        is_drained.map_or_else(|| Unserved::check(self), Ok)
    }

    /// As [`converged_within`](PushQueue::converged_within), for a thread that sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pushlane::adapters::AsyncQueue;
    /// use pushlane::{Config, Lane, Target, backlog::Dirty};
    ///
    /// let queue = AsyncQueue::<Dirty>::new(Config::new(100));
    /// let client = queue.register()?;
    /// let version = queue.publish(Target::One(client), Lane::Normal, ())?;
    /// let late = queue.wait_converged(version, Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(late.missing, [client]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "blocking")]
    pub fn wait_converged<V: Versions>(
        &self,
        version: V,
        within: Duration,
    ) -> Result<Delivered, Laggards> {
        let by = Instant::now().checked_add(within);
        let mut tracker = self.track(version);
        block_on_until(by, self.signal().until(|| tracker.advance()));
        delivery::look(tracker)
    }

    /// As [`drained_within`](PushQueue::drained_within), for a thread that sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "blocking")]
    pub fn wait_drained(&self, within: Duration) -> Result<(), Unserved> {
        let by = Instant::now().checked_add(within);
        block_on_until(by, self.drained()).map_or_else(|| Unserved::check(self), Ok)
    }
}

/// Awaits a future for so long at most by the timer's clock, however early its sleeps end.
async fn by<F: Future>(timer: &impl Timer, within: Duration, future: F) -> Option<F::Output> {
    let end = timer.now().checked_add(within);
    let mut future = pin!(future);
    loop {
        let left = end.map_or(LONGEST, |end| end.saturating_sub(timer.now()));
        let output = in_time(future.as_mut(), timer.sleep(left.min(LONGEST))).await;
        if output.is_some() || end.is_some_and(|end| end <= timer.now()) {
            return output;
        }
    }
}

/// Awaits a future, unless `time` is up before.
pub(super) async fn in_time<F: Future>(
    future: F,
    time: impl Future<Output = ()>,
) -> Option<F::Output> {
    let (mut future, mut time) = (pin!(future), pin!(time));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => time.as_mut().poll(context).map(|()| None),
    })
    .await
}
