//! Whether memory stays level.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// What the last third may take more than the middle one, in parts of a hundred, and in bytes.
const MORE: (u64, u64) = (10, 16 << 20);

/// The most resident memory of each third of the time. The first is for warming up.
pub(crate) struct Memory {
    begin: Instant,
    whole: Duration,
    thirds: [u64; 3],
    sampled: Option<Instant>,
}

impl Memory {
    pub(crate) fn new(whole: Duration) -> Self {
        Memory { begin: Instant::now(), whole, thirds: [0; 3], sampled: None }
    }

    /// Looks at it ten times a second at most.
    pub(crate) fn sample(&mut self) {
        if self.sampled.is_some_and(|last| last.elapsed() < Duration::from_millis(100)) {
            return;
        }
        self.sampled = Some(Instant::now());
        let part = self.begin.elapsed().as_secs_f64() / self.whole.as_secs_f64();
        let third = &mut self.thirds[((part * 3.0) as usize).min(2)];
        *third = (*third).max(resident());
    }

    pub(crate) fn is_level(&self) -> Result<(), String> {
        let [_, middle, last] = self.thirds;
        if last > middle + middle * MORE.0 / 100 + MORE.1 {
            return Err(format!("memory grows: {self}"));
        }
        Ok(())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, middle, last] = self.thirds.map(|bytes| bytes >> 20);
        write!(f, "memory at most {first}, {middle}, {last} MiB by thirds")
    }
}

/// Of this process, in bytes; 0 where the kernel doesn't tell.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) << 10
}
