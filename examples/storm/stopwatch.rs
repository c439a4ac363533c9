//! Real time, for a design's own bookkeeping only.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Adds up the time of what it is asked to time, less its own.
///
/// This is the one number of a run that isn't reproducible. It is the time on the wall: to ask for
/// that of the thread would take longer than most of what is timed. So a busy machine inflates it.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    total: Duration,
    calls: u32,
    own: Duration,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        let own = (0..1000).map(|_| {
            let start = Instant::now();
            black_box(start).elapsed()
        });
        Self { own: own.min().unwrap_or_default(), total: Duration::ZERO, calls: 0 }
    }

    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.total += start.elapsed();
        self.calls += 1;
        result
    }

    pub(crate) fn total(&self) -> Duration {
        self.total.saturating_sub(self.own * self.calls)
    }
}
