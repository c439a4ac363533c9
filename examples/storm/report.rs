//! The numbers of a run, and the JSON object that they are printed as.

use crate::oracle::Verdict;
use crate::world::Counts;
use serde::Serialize;
use std::time::Duration;

/// The backlog at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
}

/// What became of a history under one design.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) counts: Counts,
    pub(crate) verdict: Verdict,
    pub(crate) stalled: Duration,
    pub(crate) samples: Vec<Sample>,
    pub(crate) bookkeeping: Duration,
    pub(crate) events: usize,
}

impl Outcome {
    pub(crate) fn peak_requests(&self) -> usize {
        self.samples.iter().map(|sample| sample.requests).max().unwrap_or(0)
    }

    pub(crate) fn peak_bytes(&self) -> usize {
        self.samples.iter().map(|sample| sample.bytes).max().unwrap_or(0)
    }

    /// The time in which this share of all changes has converged; none if no change concerned
    /// anyone.
    pub(crate) fn convergence(&self, percent: usize) -> Option<Duration> {
        let all = &self.verdict.convergence;
        // The nearest rank: the smallest time that at least so many percent don't exceed.
        let rank = (all.len() * percent).div_ceil(100);
        all.get(rank.max(1) - 1).copied()
    }

    /// The time in which this share of all changes has reached the clients that they concern, over
    /// all pairs of a change and a client; none if no change concerned anyone.
    pub(crate) fn freshness(&self, percent: usize) -> Option<Duration> {
        let all = &self.verdict.freshness;
        let rank = (all.len() * percent).div_ceil(100);
        all.get(rank.max(1) - 1).map(|&time| Duration::from_micros(time.into()))
    }

    pub(crate) fn nanoseconds_per_event(&self) -> f64 {
        self.bookkeeping.as_nanos() as f64 / self.events.max(1) as f64
    }
}

/// The report of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) input: Input,
    pub(crate) designs: Vec<Line>,
}

/// What went in.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Input {
    pub(crate) events: usize,
    pub(crate) clients: u32,
    pub(crate) seed: u64,
    pub(crate) bad_lines: u64,
}

/// What came out of one design.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    name: &'static str,
    pushes: u64,
    redundant_pushes: u64,
    merged: u64,
    lost: u64,
    stale_clients: u64,
    peak_backlog: usize,
    convergence_ms: Percentiles,
    freshness_ms: Percentiles,
    stalled_ms: f64,
    bookkeeping_ns_per_event: f64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl Report {
    pub(crate) fn new(input: Input, outcomes: &[Outcome]) -> Self {
        Self { input, designs: outcomes.iter().map(Line::from).collect() }
    }
}

impl From<&Outcome> for Line {
    fn from(outcome: &Outcome) -> Self {
        let percentiles = |of: &dyn Fn(usize) -> Option<Duration>| {
            let [p50, p99, max] = [50, 99, 100].map(|percent| of(percent).map(milliseconds));
            Percentiles { p50, p99, max }
        };
        Self {
            name: outcome.name,
            pushes: outcome.counts.pushes,
            redundant_pushes: outcome.counts.redundant,
            merged: outcome.counts.merged,
            lost: outcome.verdict.lost,
            stale_clients: outcome.verdict.stale_clients,
            peak_backlog: outcome.peak_requests(),
            convergence_ms: percentiles(&|percent| outcome.convergence(percent)),
            freshness_ms: percentiles(&|percent| outcome.freshness(percent)),
            stalled_ms: milliseconds(outcome.stalled),
            bookkeeping_ns_per_event: (outcome.nanoseconds_per_event() * 10.0).round() / 10.0,
        }
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(convergence: &[u64]) -> Outcome {
        let convergence = convergence.iter().map(|&ms| Duration::from_millis(ms)).collect();
        Outcome {
            name: "toy",
            counts: Counts::default(),
            verdict: Verdict { lost: 1, stale_clients: 1, convergence, freshness: vec![] },
            stalled: Duration::from_micros(1500),
            samples: vec![],
            bookkeeping: Duration::from_nanos(200),
            events: 4,
        }
    }

    #[test]
    fn percentiles_go_by_the_nearest_rank() {
        let times: Vec<u64> = (1..=200).collect();
        let outcome = outcome(&times);
        let all = [50, 99, 100].map(|percent| outcome.convergence(percent).unwrap().as_millis());
        assert_eq!(all, [100, 198, 200]);
    }

    #[test]
    fn without_a_concerned_change_there_is_no_percentile() {
        let line = Line::from(&outcome(&[]));
        let json = serde_json::to_value(line).unwrap();
        assert!(json["convergence_ms"]["p50"].is_null());
        assert_eq!(json["stalled_ms"], 1.5);
        assert_eq!(json["bookkeeping_ns_per_event"], 50.0);
    }
}
