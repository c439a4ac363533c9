//! What is measured: one module a group of criterion's.
//!
//! Where an iteration uses up the state that it needs (idle clients, say), the state is made again
//! between iterations, outside of the measured time, and a sample ends when its share of the *real*
//! time is spent: see `Plan::sampled`.

mod churn;
mod contended;
mod convergence;
mod cycle;
mod drain;
mod fan_out;
pub mod groups;
mod growth;
mod latency;
mod merge;
mod on_demand;
mod scope;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};

use crate::subject::Subject;

pub use contended::{Contended, iteration};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    samples: usize,
    warm_up: Duration,
    measurement: Duration,
    /// The largest number of clients.
    most: u32,
}

impl Plan {
    /// For figures that are quoted.
    pub const FULL: Plan = Plan {
        samples: 20,
        warm_up: Duration::from_millis(150),
        measurement: Duration::from_millis(700),
        most: 1_000_000,
    };

    /// To see whether everything works, and the order of magnitude.
    pub const QUICK: Plan = Plan {
        samples: 10,
        warm_up: Duration::from_millis(30),
        measurement: Duration::from_millis(150),
        most: 1_000_000,
    };

    /// Those of the sizes that this plan has.
    fn sizes<const N: usize>(self, sizes: [u32; N]) -> impl Iterator<Item = u32> {
        sizes.into_iter().filter(move |&size| size <= self.most)
    }

    /// A group with this plan's times.
    fn group<'a>(self, criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(self.samples)
            .warm_up_time(self.warm_up)
            .measurement_time(self.measurement)
            .sampling_mode(SamplingMode::Flat);
        group
    }

    /// Measures what `once` says that it took, as often as the sample's share of the real time
    /// allows.
    fn sampled(
        self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        size: impl std::fmt::Display,
        once: impl FnMut() -> Duration,
    ) {
        self.sampled_each(group, name, size, 1, once);
    }

    /// The same where `once` does several operations: measured is one of them.
    fn sampled_each(
        self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        size: impl std::fmt::Display,
        operations: u32,
        mut once: impl FnMut() -> Duration,
    ) {
        let share = self.measurement / self.samples as u32;
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter_custom(|wanted| {
                let (start, mut total, mut done) = (Instant::now(), Duration::ZERO, 0);
                while done < wanted && (done == 0 || start.elapsed() < share) {
                    total += once();
                    done += 1;
                }
                total.mul_f64(wanted as f64 / (done as f64 * f64::from(operations)))
            });
        });
    }
}

/// Serves until so many pushes are done.
///
/// # Panics
///
/// If that many never come.
pub fn drain<P: Subject>(peer: &P, pushes: u32) {
    let (mut done, mut in_vain) = (0, 0);
    while done < pushes {
        match peer.lease() {
            Some(lease) => {
                peer.done(lease);
                (done, in_vain) = (done + 1, 0);
            }
            None => in_vain += 1,
        }
        assert!(in_vain < 10_000, "{}: {done} of {pushes} pushes came", P::NAME);
    }
}

/// A scenario: its group, and what measures it.
pub type Scenario = (&'static str, fn(&mut Criterion, Plan));

/// All scenarios, in the order of the report.
pub const ALL: [Scenario; 20] = [
    (groups::IDLE, fan_out::idle),
    (groups::PAYLOAD, fan_out::payload),
    (groups::MERGE_NOTHING, merge::nothing),
    (groups::MERGE_1, merge::one),
    (groups::MERGE_16, merge::few),
    (groups::MERGE_256, merge::many),
    (groups::SCOPE, scope::run),
    (groups::ON_DEMAND, on_demand::run),
    (groups::DRAIN, drain::run),
    (groups::CYCLE, cycle::run),
    (groups::CONTENDED, contended::run),
    (groups::CONTENDED_ALL, contended::to_everyone),
    (groups::CHURN, churn::run),
    (groups::CONVERGENCE, convergence::run),
    (groups::LEAVE, growth::topics_of_a_leaver),
    (groups::FORGET, growth::topics_forgotten),
    (groups::VACANCY, growth::vacancy_a_round_away),
    (groups::AWAITED, growth::awaited),
    (groups::BEHIND, growth::behind),
    (groups::LATENCY, latency::run),
];
