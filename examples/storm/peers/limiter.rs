//! A token bucket that hands out reservations: each caller learns when its turn comes, in order of
//! asking.

use std::time::Duration;

/// A bucket of `burst` tokens, refilled at `rate` tokens a second, driven by the caller's clock.
///
/// A reservation always succeeds and may lie in the future; it can't be given back. That is how a
/// waiter for a rate limit behaves: first come, first served, and a waiter whose work became
/// pointless keeps its turn.
#[derive(Debug, Clone)]
pub struct Limiter {
    interval: Duration,
    burst: u32,
    /// When the bucket would have been empty, had it been refilled ever since: the "theoretical"
    /// time of the next token if there were no burst.
    next: Duration,
}

impl Limiter {
    /// A full bucket. A `rate` of 0 or one that isn't finite means no limit.
    pub fn new(rate: f64, burst: u32) -> Self {
        let interval = if rate > 0.0 && rate.is_finite() {
            Duration::from_secs_f64(1.0 / rate)
        } else {
            Duration::ZERO
        };
        Self { interval, burst: burst.max(1), next: Duration::ZERO }
    }

    /// Takes the next token, and says from when on it may be used.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        // The bucket never holds more than `burst` tokens, so the theoretical time never lags
        // further behind.
        let credit = self.interval * (self.burst - 1);
        let turn = self.next.max(now);
        self.next = turn + self.interval;
        if turn > now + credit { turn - credit } else { now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut limiter = Limiter::new(10.0, 3);
        let turns: Vec<_> = (0..5).map(|_| limiter.reserve(SECOND).as_millis()).collect();
        assert_eq!(turns, [1000, 1000, 1000, 1100, 1200]);
    }

    #[test]
    fn the_bucket_refills_up_to_its_burst_and_no_further() {
        let mut limiter = Limiter::new(10.0, 2);
        for _ in 0..2 {
            limiter.reserve(Duration::ZERO);
        }
        let later = 100 * SECOND;
        let turns: Vec<_> = (0..3).map(|_| (limiter.reserve(later) - later).as_millis()).collect();
        assert_eq!(turns, [0, 0, 100]);
    }

    #[test]
    fn no_rate_means_no_limit() {
        let mut limiter = Limiter::new(0.0, 1);
        assert!((0..1000).all(|_| limiter.reserve(SECOND) == SECOND));
    }
}
