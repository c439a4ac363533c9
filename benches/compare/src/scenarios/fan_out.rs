//! A publish to all clients, none of which is queued: each is queued by it.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use pushlane::backlog::{Bits, Dirty, Shared};
use pushlane_peers::state_words::StateWords;

use super::{Plan, drain, groups};
use crate::keys::Keys;
use crate::lanes::{Lanes, way};
use crate::subject::{FastMergeQueue, Subject};
use crate::{each_merging_peer, each_peer};

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn fan_out<P: Subject>(group: Group<'_, '_>, plan: Plan, clients: u32, request: &P::Request) {
    let peer = P::with_clients(clients);
    plan.sampled(group, P::NAME, clients, || {
        let start = Instant::now();
        peer.publish_all(clients, request);
        let took = start.elapsed();
        drain(&peer, clients);
        took
    });
}

pub(super) fn idle(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::IDLE);
    let group = &mut group;
    for clients in plan.sizes([1_000, 10_000, 100_000]) {
        fan_out::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, &());
        each_peer!(fan_out(group, plan, clients, &()));
    }
    for clients in plan.sizes([1_000_000]) {
        fan_out::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, &());
        fan_out::<StateWords<()>>(group, plan, clients, &());
        fan_out::<FastMergeQueue<()>>(group, plan, clients, &());
    }
}

pub(super) fn payload(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::PAYLOAD);
    let group = &mut group;
    let keys = &Keys::new(0, 1);
    for clients in plan.sizes([100_000]) {
        // The yardstick, measured next to what is held against it.
        fan_out::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, &());
        fan_out::<Lanes<Shared<Keys>>>(group, plan, clients, keys);
        fan_out::<Lanes<Bits<1>>>(group, plan, clients, &[1]);
        each_merging_peer!(fan_out(group, plan, clients, keys));
    }
    for clients in plan.sizes([1_000_000]) {
        fan_out::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, &());
        fan_out::<Lanes<Shared<Keys>>>(group, plan, clients, keys);
    }
}
