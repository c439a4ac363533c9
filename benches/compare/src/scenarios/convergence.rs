//! "Has everyone got it?", asked while one client in ten is busy with something newer: every bank
//! is looked at. The peers can't answer.

use criterion::{BenchmarkId, Criterion};
use pushlane::backlog::Dirty;
use pushlane::{Lane, Target};
use pushlane_peers::Peer;

use super::{Plan, drain, groups};
use crate::lanes::Lanes;

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::CONVERGENCE);
    for clients in plan.sizes([1_000, 10_000, 100_000, 1_000_000]) {
        let lanes = Lanes::<Dirty>::new(clients);
        let version = lanes.queue.publish(Target::Everyone, Lane::Normal, ());
        let Ok(version) = version else { unreachable!("the queue is open") };
        drain(&lanes, clients);
        (0..clients).step_by(10).for_each(|client| lanes.publish(client, &()));
        group.bench_function(BenchmarkId::new("pushlane", clients), |bencher| {
            bencher.iter(|| assert!(lanes.queue.is_converged(version)));
        });
    }
}
