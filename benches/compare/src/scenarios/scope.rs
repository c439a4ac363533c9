//! A publish to one client in a hundred, and to one in ten: by topics, and by lists of clients.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use pushlane::backlog::Dirty;

use super::{Plan, drain, groups};
use crate::each_peer;
use crate::lanes::{Lanes, way};
use crate::subject::Subject;

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn part<P: Subject<Request = ()>>(group: Group<'_, '_>, plan: Plan, clients: u32, step: usize) {
    let peer = P::with_clients(clients);
    let concerned: Vec<_> = (0..clients).step_by(step).collect();
    let part = peer.group(&concerned);
    let label = format!("1 in {step}");
    plan.sampled(group, P::NAME, label, || {
        let start = Instant::now();
        peer.publish_group(&part, &());
        let took = start.elapsed();
        drain(&peer, concerned.len() as u32);
        took
    });
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::SCOPE);
    let (group, clients) = (&mut group, 100_000);
    for step in [100, 10] {
        part::<Lanes<Dirty>>(group, plan, clients, step);
        part::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, step);
        each_peer!(part(group, plan, clients, step));
    }
}
