//! [`Backoff`]: how long a client that could not be pushed to waits for the next attempt.

use core::time::Duration;

/// How long a client waits after a push to it has failed: longer after each failure in a row, and
/// never exactly as long as another client.
///
/// By default 10 ms after the first failure, twice as long after each further one, and 10 s at
/// most. Of each wait, a random part of up to a half is taken off. A push that succeeds starts
/// over.
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::Backoff;
///
/// assert_eq!(
///     Backoff::default(),
///     Backoff::new(Duration::from_millis(10), Duration::from_secs(10)),
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    pub(super) is_cut_short: bool,
}

impl Backoff {
    /// No wait: a push that fails is tried again at once, behind the clients that wait already. It
    /// takes as much of the processor as it gets.
    pub const NONE: Backoff = Backoff::new(Duration::ZERO, Duration::ZERO);

    /// From `first` to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Backoff { first, most, is_cut_short: false }
    }

    /// Whether a wait ends when something urgent is published to the client. Off by default. It may
    /// take 10 ms, or longer with very many clients that wait: each of them is looked at.
    ///
    /// ```
    /// use pushlane::adapters::Backoff;
    ///
    /// let impatient = Backoff::default().cut_short_by_urgent(true);
    /// assert_ne!(impatient, Backoff::default());
    /// ```
    #[must_use]
    pub const fn cut_short_by_urgent(mut self, is_cut_short: bool) -> Self {
        self.is_cut_short = is_cut_short;
        self
    }

    /// The wait after so many failures in a row, at least one.
    pub(super) fn after(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let half = self.first.saturating_mul(1 << doublings).min(self.most) / 2;
        let part = (half.as_nanos() * u128::from(random >> 32)) >> 32;
        half + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::new(Duration::from_millis(10), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_up_to_the_most_and_loses_up_to_a_half() {
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(75));
        let waits = |random| [1, 2, 3, 4, 5, 1_000, u32::MAX].map(|n| backoff.after(n, random));
        let half = [5, 10, 20, 37, 37, 37, 37];
        let least = waits(0).map(|wait| wait.as_millis());
        assert_eq!(least, half);
        for (wait, least) in waits(u64::MAX).iter().zip(waits(0)) {
            assert!(*wait > least * 2 - Duration::from_micros(1) && *wait <= least * 2);
        }
    }

    #[test]
    fn the_longest_backoff_there_is_does_not_overflow() {
        let backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(backoff.after(u32::MAX, u64::MAX) > Duration::from_secs(1 << 40));
        assert_eq!(Backoff::NONE.after(1, u64::MAX), Duration::ZERO);
    }
}
