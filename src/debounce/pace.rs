//! A minimum interval between two pushes to one client.

use core::time::Duration;

use super::Stretch;

/// A minimum interval between the beginnings of two pushes to one client.
///
/// A client whose pushes are quick merges little: each change is a push of its own. A pace trades a
/// little freshness for fewer pushes. The first change after a rest is still pushed at once.
///
/// Pure arithmetic over the caller's clock. A worker that leases a client too early releases the
/// permit, holds the lease until [`next`](Pace::next), and gives it back. What was published
/// meanwhile has merged, and the client had one lease throughout.
///
/// ```
/// use core::time::Duration;
/// use pushlane::debounce::{Pace, Stretch};
///
/// let pace = Pace::new(Stretch::fixed(Duration::from_millis(500)));
/// let last = Duration::from_secs(10);
/// let busy = 0;
/// assert_eq!(pace.next(last, busy), Duration::from_millis(10_500));
/// assert_eq!(pace.wait(last, Duration::from_millis(10_400), busy), Some(Duration::from_millis(100)));
/// assert_eq!(pace.wait(last, Duration::from_secs(11), busy), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval: Stretch,
}

impl Pace {
    /// At least this interval between two pushes.
    #[must_use]
    pub const fn new(interval: Stretch) -> Self {
        Pace { interval }
    }

    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn is_fixed(&self) -> bool {
        self.interval.is_fixed()
    }

    /// The earliest beginning of the next push to a client whose last one began at `last`, while
    /// `busy` clients are busy.
    #[must_use]
    pub fn next(&self, last: Duration, busy: usize) -> Duration {
        last.saturating_add(self.interval.at(busy))
    }

    /// How much longer a client has to wait at `now`; `None` if not at all.
    #[must_use]
    pub fn wait(&self, last: Duration, now: Duration, busy: usize) -> Option<Duration> {
        self.next(last, busy).checked_sub(now).filter(|wait| !wait.is_zero())
    }
}
