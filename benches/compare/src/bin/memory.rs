//! Counts what is allocated: a binary of its own, because counting takes time.
//!
//! Prints a JSON array, one object a subject; the report reads it.

use std::hint::black_box;

use allocation_counter::measure;
use pushlane::backlog::{Bits, Dirty, Journal, Shared};
use pushlane::{Config, PushQueue};
use pushlane_bench::keys::Keys;
use pushlane_bench::lanes::{Carried, JOURNAL, Lanes};
use pushlane_bench::scenarios::drain;
use pushlane_bench::subject::Subject;
use pushlane_bench::{each_merging_peer, each_peer};
use serde_json::{Value, json};

const CLIENTS: u32 = 100_000;
const CYCLES: u32 = 1_000;
const FEW: u32 = 32;

/// Bytes that are kept of what `make` allocates, a client.
fn kept<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let mut made = None;
    let info = measure(|| made = Some(make()));
    let Some(made) = made else { unreachable!("it has been measured") };
    (made, info.bytes_current as f64 / f64::from(CLIENTS))
}

/// Allocations of one publish, one lease, one end; in steady state.
fn allocations<P: Subject>(request: &P::Request) -> [f64; 3] {
    // Fewer than the journal remembers: what has fallen off it gets everything, which is another
    // allocation.
    let peer = P::with_clients(FEW);
    // Whatever grows, has grown by then.
    for client in 0..CYCLES {
        peer.publish(client % FEW, request);
        drain(&peer, 1);
    }
    let mut counts = [0; 3];
    for client in 0..CYCLES {
        counts[0] += measure(|| peer.publish(client % FEW, request)).count_total;
        let mut lease = None;
        counts[1] += measure(|| lease = peer.lease()).count_total;
        if let Some(lease) = lease {
            counts[2] += measure(|| peer.done(lease)).count_total;
        }
    }
    counts.map(|count| count as f64 / f64::from(CYCLES))
}

fn row(
    name: &str,
    payload: bool,
    idle: f64,
    queued: f64,
    [publish, lease, complete]: [f64; 3],
) -> Value {
    json!({
        "name": name, "payload": payload, "idle": idle, "queued": queued,
        "publish": publish, "lease": lease, "complete": complete,
    })
}

fn peer<P: Subject>(rows: &mut Vec<Value>, payload: bool, request: &P::Request) {
    let (made, idle) = kept(|| P::with_clients(CLIENTS));
    let ((), queued) = kept(|| made.publish_all(CLIENTS, request));
    rows.push(row(P::NAME, payload, idle, idle + queued, allocations::<P>(request)));
}

fn pushlane<B: Carried>(rows: &mut Vec<Value>, payload: bool, request: &B::Request)
where
    Lanes<B>: Send + Sync,
{
    // Without the list of keys that the benchmarks keep, and without topics.
    let (made, idle) = kept(|| PushQueue::<B>::new(Config::new(CLIENTS as usize)));
    black_box(made);
    let lanes = Lanes::<B>::new(CLIENTS);
    let ((), queued) = kept(|| {
        (0..CLIENTS).for_each(|client| {
            pushlane_peers::Peer::publish(&lanes, client, request);
        })
    });
    let counts = allocations::<Lanes<B>>(request);
    rows.push(row(B::NAMES[0], payload, idle, idle + queued, counts));
}

fn main() {
    let mut rows = Vec::new();
    let (rows, keys) = (&mut rows, &Keys::new(0, 1));
    pushlane::<Dirty>(rows, false, &());
    each_peer!(peer(rows, false, &()));
    pushlane::<Bits<1>>(rows, true, &[1]);
    pushlane::<Journal<Shared<Keys>, JOURNAL>>(rows, true, keys);
    pushlane::<Shared<Keys>>(rows, true, keys);
    each_merging_peer!(peer(rows, true, keys));
    println!("{}", Value::from(std::mem::take(rows)));
}
