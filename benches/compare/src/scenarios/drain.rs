//! Serving all clients after a publish to all of them.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use pushlane::SLOTS;
use pushlane::backlog::{Dirty, Journal, Shared};
use pushlane_peers::Peer;
use pushlane_peers::state_words::StateWords;

use super::{Plan, drain, groups};
use crate::each_peer;
use crate::keys::Keys;
use crate::lanes::{JOURNAL, Lanes, way};
use crate::subject::{FastMergeQueue, Subject};

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn serve<P: Subject>(group: Group<'_, '_>, plan: Plan, clients: u32, request: &P::Request) {
    let peer = P::with_clients(clients);
    plan.sampled(group, P::NAME, clients, || {
        peer.publish_all(clients, request);
        let start = Instant::now();
        drain(&peer, clients);
        start.elapsed()
    });
}

/// As many clients of a bank at once as there are.
fn batches(group: Group<'_, '_>, plan: Plan, clients: u32) {
    let lanes = Lanes::<Dirty>::new(clients);
    plan.sampled(group, "pushlane, in batches", clients, || {
        lanes.publish_all(clients, &());
        let (start, mut done) = (Instant::now(), 0);
        while let Some(batch) = lanes.queue.try_lease_batch(SLOTS) {
            done += batch.len();
            batch.complete();
        }
        let took = start.elapsed();
        assert_eq!(done, clients as usize);
        took
    });
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::DRAIN);
    let group = &mut group;
    let keys = &Keys::new(0, 1);
    for clients in plan.sizes([1_000, 100_000]) {
        serve::<Lanes<Dirty>>(group, plan, clients, &());
        serve::<Lanes<Dirty, { way::LIMITED }>>(group, plan, clients, &());
        batches(group, plan, clients);
        serve::<Lanes<Journal<Shared<Keys>, JOURNAL>>>(group, plan, clients, keys);
        serve::<Lanes<Shared<Keys>>>(group, plan, clients, keys);
        each_peer!(serve(group, plan, clients, &()));
    }
    for clients in plan.sizes([1_000_000]) {
        serve::<Lanes<Dirty>>(group, plan, clients, &());
        serve::<Lanes<Dirty, { way::LIMITED }>>(group, plan, clients, &());
        batches(group, plan, clients);
        serve::<StateWords<()>>(group, plan, clients, &());
        serve::<FastMergeQueue<()>>(group, plan, clients, &());
    }
}
