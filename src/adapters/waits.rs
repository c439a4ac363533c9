//! Waiting for a queue, but not for ever.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
#[cfg(feature = "blocking")]
use std::time::Instant;

#[cfg(feature = "blocking")]
use super::block_on::block_on_until;
use super::outcome::Unserved;
use super::timer::Timer;
use super::waiting::Waiters;
use crate::backlog::Backlog;
use crate::queue::PushQueue;
use crate::storage::Storage;
use crate::version::Version;

impl<B: Backlog, S: Storage> PushQueue<B, S, Waiters> {
    /// As [`converged`](PushQueue::converged), but for so long at most.
    ///
    /// # Errors
    ///
    /// The clients that hold `version` back when the time is up.
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
    /// assert_eq!(late.unwrap_err().clients(), [client]);
    ///
    /// queue.try_lease().expect("ready").complete();
    /// queue.converged_within(version, &timer, Duration::from_secs(1)).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub async fn converged_within(
        &self,
        version: Version,
        timer: &impl Timer,
        within: Duration,
    ) -> Result<(), Unserved> {
        let is_converged = in_time(self.converged(version), timer.sleep(within)).await;
        is_converged.ok_or_else(|| Unserved(self.laggards(version).collect()))
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
        let is_drained = in_time(self.drained(), timer.sleep(within)).await;
        is_drained.ok_or_else(|| Unserved::of(self))
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
    /// assert_eq!(late.clients(), [client]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "blocking")]
    pub fn wait_converged(&self, version: Version, within: Duration) -> Result<(), Unserved> {
        let by = Instant::now().checked_add(within);
        let is_converged = block_on_until(by, self.converged(version));
        is_converged.ok_or_else(|| Unserved(self.laggards(version).collect()))
    }

    /// As [`drained_within`](PushQueue::drained_within), for a thread that sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "blocking")]
    pub fn wait_drained(&self, within: Duration) -> Result<(), Unserved> {
        let by = Instant::now().checked_add(within);
        block_on_until(by, self.drained()).ok_or_else(|| Unserved::of(self))
    }
}

/// Awaits a future, unless `time` is up before.
async fn in_time<F: Future>(future: F, time: impl Future<Output = ()>) -> Option<F::Output> {
    let (mut future, mut time) = (pin!(future), pin!(time));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => time.as_mut().poll(context).map(|()| None),
    })
    .await
}
