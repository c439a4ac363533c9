//! A publish to everyone, whose marks are made by workers.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use pushlane::backlog::{Dirty, Journal, Shared};

use super::{Plan, groups};
use crate::keys::Keys;
use crate::lanes::{JOURNAL, Lanes};
use crate::subject::Subject;

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn publish<P: Subject>(group: Group<'_, '_>, clients: u32, request: &P::Request) {
    let peer = P::with_clients(clients);
    group.bench_function(BenchmarkId::new(P::NAME, clients), |bencher| {
        bencher.iter(|| peer.publish_all(clients, request));
    });
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::ON_DEMAND);
    for clients in plan.sizes([1_000, 10_000, 100_000, 1_000_000]) {
        publish::<Lanes<Dirty>>(&mut group, clients, &());
        publish::<Lanes<Journal<Shared<Keys>, JOURNAL>>>(&mut group, clients, &Keys::new(0, 16));
    }
}
