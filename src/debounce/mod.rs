//! Quiet periods before a publish, and a pace for the pushes to each client.
//!
//! A queue merges what is published while a client waits or is pushed to. A change that comes a
//! moment later costs a push of its own. So control planes *debounce*: they hold a change back for
//! a moment, and longer while more changes come. Here this is pure logic over the caller's clock;
//! times are [`Duration`]s since a fixed moment.
//!
//! | | what it spaces | needs |
//! | --- | --- | --- |
//! | [`Debounce`] | publishes, by scope | `alloc` |
//! | [`Pace`] | pushes, by client | |
//! | [`Stretch`] | how long either waits: fixed, or by how busy the queue is | |

use core::time::Duration;

mod pace;

#[cfg(feature = "alloc")]
mod batches;

#[cfg(feature = "alloc")]
pub use batches::Debounce;
pub use pace::Pace;

/// A time between a shortest, for an idle queue, and a longest, for a busy one.
///
/// It grows in proportion to the number of busy clients, which wait for a push or have one in
/// progress. While the queue is idle, waiting only makes a change late. While it is busy, most
/// clients would have to wait for their push anyway, and what is held back merges.
///
/// ```
/// use core::time::Duration;
/// use pushlane::debounce::Stretch;
///
/// let (shortest, longest) = (Duration::from_millis(20), Duration::from_millis(220));
/// let quiet = Stretch::between(shortest, longest, 1_000);
/// assert_eq!(quiet.at(0), shortest);
/// assert_eq!(quiet.at(500), Duration::from_millis(120));
/// assert_eq!(quiet.at(5_000), longest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    shortest: Duration,
    longest: Duration,
    full: usize,
}

impl Stretch {
    /// `shortest` while no client is busy, `longest` while `full` or more are.
    ///
    /// A `longest` below `shortest` counts as `shortest`, a `full` of 0 as 1.
    #[must_use]
    pub const fn between(shortest: Duration, longest: Duration, full: usize) -> Self {
        Stretch { shortest, longest, full: if full == 0 { 1 } else { full } }
    }

    /// A time that does not depend on the queue.
    ///
    /// ```
    /// use core::time::Duration;
    /// use pushlane::debounce::Stretch;
    ///
    /// let quiet = Stretch::fixed(Duration::from_millis(100));
    /// assert_eq!(quiet.at(0), quiet.at(1_000_000));
    /// ```
    #[must_use]
    pub const fn fixed(time: Duration) -> Self {
        Self::between(time, time, 1)
    }

    /// Whether it does not depend on the queue.
    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn is_fixed(&self) -> bool {
        self.longest <= self.shortest
    }

    /// The time while so many clients are busy.
    #[must_use]
    pub fn at(&self, busy: usize) -> Duration {
        if busy >= self.full {
            return self.longest.max(self.shortest);
        }
        let more = self.longest.saturating_sub(self.shortest).as_nanos();
        // Less than `longest - shortest`; `u64` nanoseconds are 584 years.
        let stretched = more.saturating_mul(busy as u128) / self.full as u128;
        let stretched = u64::try_from(stretched).unwrap_or(u64::MAX);
        self.shortest.saturating_add(Duration::from_nanos(stretched))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_busy_queue_waits_the_longest_time_however_long_that_is() {
        for full in [1, 10, usize::MAX] {
            let stretch = Stretch::between(Duration::ZERO, Duration::MAX, full);
            assert_eq!(stretch.at(0), Duration::ZERO);
            assert_eq!(stretch.at(full), Duration::MAX);
            assert!(stretch.at(full - 1) < Duration::MAX);
        }
        let (shortest, longest) = (Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(Stretch::between(shortest, longest, 1).at(1), shortest);
    }
}
