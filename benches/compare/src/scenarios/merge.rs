//! A publish to all clients, each of which is queued already, with as many other keys: what it
//! costs to merge.
//!
//! All clients hold the same request of an earlier publish, as after a change that concerned
//! everybody.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use pushlane::backlog::{Bits, Dirty, Shared};

use super::{Plan, drain, groups};
use crate::keys::Keys;
use crate::lanes::{Lanes, way};
use crate::subject::Subject;
use crate::{each_merging_peer, each_peer};

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn merge<P: Subject>(group: Group<'_, '_>, plan: Plan, clients: u32, requests: [&P::Request; 2]) {
    let peer = P::with_clients(clients);
    plan.sampled(group, P::NAME, clients, || {
        peer.publish_all(clients, requests[0]);
        let start = Instant::now();
        peer.publish_all(clients, requests[1]);
        let took = start.elapsed();
        drain(&peer, clients);
        took
    });
}

pub(super) fn nothing(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::MERGE_NOTHING);
    let (group, clients, requests) = (&mut group, 100_000, [&(); 2]);
    merge::<Lanes<Dirty, { way::DIRECT }>>(group, plan, clients, requests);
    each_peer!(merge(group, plan, clients, requests));
}

fn keys(criterion: &mut Criterion, plan: Plan, name: &str, keys: u32, clients: u32) {
    let mut group = plan.group(criterion, name);
    let group = &mut group;
    let requests = [&Keys::new(0, keys), &Keys::new(keys, keys)];
    merge::<Lanes<Shared<Keys>>>(group, plan, clients, requests);
    if keys == 1 {
        merge::<Lanes<Bits<1>>>(group, plan, clients, [&[1], &[2]]);
    }
    each_merging_peer!(merge(group, plan, clients, requests));
}

pub(super) fn one(criterion: &mut Criterion, plan: Plan) {
    keys(criterion, plan, groups::MERGE_1, 1, 100_000);
}

pub(super) fn few(criterion: &mut Criterion, plan: Plan) {
    keys(criterion, plan, groups::MERGE_16, 16, 100_000);
}

pub(super) fn many(criterion: &mut Criterion, plan: Plan) {
    // Fewer clients: those designs that copy take long over 256 keys for each.
    keys(criterion, plan, groups::MERGE_256, 256, 1_000);
}
