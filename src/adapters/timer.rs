//! [`Timer`]: what a dispatcher needs of an executor.

use core::future::Future;
use core::time::Duration;

/// No sleep is longer: not every timer can count as far as a `Duration`.
pub(super) const LONGEST: Duration = Duration::from_secs(3_600);

/// A clock, and a future that sleeps by it: all that a [`Dispatcher`](super::Dispatcher) needs to
/// know of its executor.
///
/// [`TokioTimer`], [`SmolTimer`] and [`EmbassyTimer`] are at hand, each behind its feature. A test
/// brings a clock of its own.
///
/// It must not panic: that ends the future that serves, as dropping it does.
///
/// ```
/// use std::time::{Duration, Instant};
/// use pushlane::adapters::Timer;
///
/// /// Of the crate `futures-timer`, say: `thread::sleep` stands for its `Delay` here.
/// struct Delays(Instant);
///
/// impl Timer for Delays {
///     fn now(&self) -> Duration {
///         self.0.elapsed()
///     }
///
///     async fn sleep(&self, duration: Duration) {
///         std::thread::sleep(duration);
///     }
/// }
/// # let timer = Delays(Instant::now());
/// # pollster::block_on(timer.sleep(Duration::from_millis(1)));
/// # assert!(timer.now() >= Duration::from_millis(1));
/// ```
pub trait Timer: Send + Sync + 'static {
    /// The time that has passed since some moment, always the same one.
    fn now(&self) -> Duration;

    /// Completes when so much time has passed. Early is harmless: what is left is slept again. Late
    /// is late.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Tokio's clock, which a test may pause. Sleeps only inside of a runtime with its timer enabled.
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::{Timer, TokioTimer};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let timer = TokioTimer::default();
/// timer.sleep(Duration::from_millis(1)).await;
/// assert!(timer.now() >= Duration::from_millis(1));
/// # });
/// ```
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug)]
pub struct TokioTimer(::tokio::time::Instant);

#[cfg(feature = "tokio")]
impl Default for TokioTimer {
    fn default() -> Self {
        TokioTimer(::tokio::time::Instant::now())
    }
}

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        ::tokio::time::sleep(duration)
    }
}

/// The system's clock and the timers of `async-io`, which smol and async-std use. They run on a
/// thread of their own, so any executor can await them.
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::{SmolTimer, Timer};
///
/// let timer = SmolTimer::default();
/// pollster::block_on(timer.sleep(Duration::from_millis(1)));
/// assert!(timer.now() >= Duration::from_millis(1));
/// ```
#[cfg(feature = "smol")]
#[derive(Clone, Copy, Debug)]
pub struct SmolTimer(std::time::Instant);

#[cfg(feature = "smol")]
impl Default for SmolTimer {
    fn default() -> Self {
        SmolTimer(std::time::Instant::now())
    }
}

#[cfg(feature = "smol")]
impl Timer for SmolTimer {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        async_io::Timer::after(duration).await;
    }
}

/// The clock of `embassy-time`, whose driver the final binary links: that of a board, or its `std`
/// feature.
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::{EmbassyTimer, Timer};
///
/// async fn measure() -> Duration {
///     let before = EmbassyTimer.now();
///     EmbassyTimer.sleep(Duration::from_millis(1)).await;
///     EmbassyTimer.now() - before
/// }
/// ```
#[cfg(feature = "embassy")]
#[derive(Clone, Copy, Debug)]
pub struct EmbassyTimer;

#[cfg(feature = "embassy")]
impl Timer for EmbassyTimer {
    fn now(&self) -> Duration {
        embassy_time::Instant::now().duration_since(embassy_time::Instant::MIN).into()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        // Not beyond what its clock can count.
        let ticks = embassy_time::Duration::try_from(duration.min(LONGEST));
        // Late rather than early: what is left of a tick would be waited for by spinning.
        let tick = embassy_time::Duration::from_ticks(1);
        embassy_time::Timer::after(ticks.map_or(tick, |ticks| ticks + tick))
    }
}
