//! A publish to one client, its lease, and the end of the push, by one thread.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use pushlane::backlog::{Bits, Dirty, Journal, Shared};
use pushlane_peers::state_words::StateWords;

use super::{Plan, drain, groups};
use crate::keys::Keys;
use crate::lanes::{JOURNAL, Lanes, way};
use crate::subject::{FastMergeQueue, Subject};
use crate::{each_merging_peer, each_peer};

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

fn cycle<P: Subject>(group: Group<'_, '_>, clients: u32, label: &str, request: &P::Request) {
    let peer = P::with_clients(clients);
    let mut client = 0;
    group.bench_function(BenchmarkId::new(P::NAME, format!("{label}{clients}")), |bencher| {
        bencher.iter(|| {
            // Prime to every number of clients here: all get their turn, neighbours not after one
            // another.
            client = (client + 617) % clients;
            peer.publish(client, request);
            drain(&peer, 1);
        });
    });
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::CYCLE);
    let group = &mut group;
    let keys = &Keys::new(0, 1);
    for clients in plan.sizes([1_000]) {
        cycle::<Lanes<Dirty>>(group, clients, "", &());
        cycle::<Lanes<Dirty, { way::LIMITED }>>(group, clients, "", &());
        each_peer!(cycle(group, clients, "", &()));
    }
    // Fewer than the journal remembers: with more, a client that is served in its turn gets
    // everything.
    for clients in plan.sizes([100]) {
        cycle::<Lanes<Bits<1>>>(group, clients, "payload, ", &[1]);
        cycle::<Lanes<Journal<Shared<Keys>, JOURNAL>>>(group, clients, "payload, ", keys);
        cycle::<Lanes<Shared<Keys>>>(group, clients, "payload, ", keys);
        each_merging_peer!(cycle(group, clients, "payload, ", keys));
    }
    for clients in plan.sizes([100_000, 1_000_000]) {
        cycle::<Lanes<Dirty>>(group, clients, "", &());
        cycle::<StateWords<()>>(group, clients, "", &());
        cycle::<FastMergeQueue<()>>(group, clients, "", &());
    }
}
