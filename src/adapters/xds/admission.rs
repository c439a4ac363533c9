//! How fast new streams are admitted: a token bucket.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use ::tokio::sync::Mutex as AsyncMutex;
use ::tokio::time::{Instant, sleep_until};

use super::limits::Limits;

/// After a restart all clients come at once, and each has to be sent everything. They are let in at
/// a rate, in the order in which they came.
pub(super) struct Admission {
    /// Between two tokens. `None`: no limit.
    interval: Option<Duration>,
    burst: Duration,
    wait: Duration,
    /// When the bucket is full again.
    due: Mutex<Option<Instant>>,
    /// Held by the first that waits. Timers of about the same time fire in any order; this lock is
    /// passed on in the order in which it was asked for.
    line: AsyncMutex<()>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let interval = Duration::from_secs(1).checked_div(limits.admission_rate);
        let burst = interval.unwrap_or_default() * limits.admission_burst.saturating_sub(1);
        Admission {
            interval,
            burst,
            wait: limits.admission_wait,
            due: Mutex::new(None),
            line: AsyncMutex::new(()),
        }
    }

    /// When the next one may enter. `None`: not soon enough.
    fn reserve(&self, now: Instant) -> Option<Instant> {
        let Some(interval) = self.interval else { return Some(now) };
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        // Generic cell rate algorithm: `due` is when the bucket would be full again.
        let full = due.unwrap_or(now).max(now);
        let enters = full.checked_sub(self.burst).unwrap_or(now).max(now);
        if enters > now + self.wait {
            return None;
        }
        *due = Some(full + interval);
        Some(enters)
    }

    /// Waits for a turn. False: it would take too long.
    pub(super) async fn enter(&self) -> bool {
        let now = Instant::now();
        match self.reserve(now) {
            Some(turn) if turn > now => {
                let _first = self.line.lock().await;
                sleep_until(turn).await;
                true
            }
            turn => turn.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::future::{Future, poll_fn};
    use core::pin::pin;
    use core::task::Poll;

    use super::*;

    #[test]
    fn a_burst_enters_at_once_and_the_rest_at_the_rate() {
        let limits = Limits {
            admission_rate: 10,
            admission_burst: 2,
            admission_wait: Duration::from_millis(150),
            ..Limits::default()
        };
        let (admission, now) = (Admission::new(&limits), Instant::now());
        let after = |millis| Some(now + Duration::from_millis(millis));
        assert_eq!([(); 3].map(|()| admission.reserve(now)), [after(0), after(0), after(100)]);
        assert_eq!(admission.reserve(now), None, "it would have to wait for 200 ms");
        let later = now + Duration::from_millis(300);
        assert_eq!(admission.reserve(later), Some(later), "a refusal costs no token");
        let unlimited = Admission::new(&Limits { admission_rate: 0, ..limits });
        assert_eq!([(); 9].map(|()| unlimited.reserve(now)), [after(0); 9]);
    }

    /// Timers fire in any order: the second of two may be polled first when both turns have come.
    #[test]
    fn nobody_enters_before_an_earlier_one() {
        let limits = Limits {
            admission_rate: 100,
            admission_burst: 1,
            admission_wait: Duration::from_secs(10),
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(async {
            assert!(admission.enter().await);
            let (mut first, mut second) = (pin!(admission.enter()), pin!(admission.enter()));
            let is_pending = |poll: Poll<bool>| Poll::Ready(poll.is_pending());
            assert!(poll_fn(|context| is_pending(first.as_mut().poll(context))).await);
            assert!(poll_fn(|context| is_pending(second.as_mut().poll(context))).await);
            sleep_until(Instant::now() + Duration::from_millis(100)).await;
            assert!(poll_fn(|context| is_pending(second.as_mut().poll(context))).await);
            assert!(first.await && second.await);
        });
    }
}
