//! Publishers and workers at once, as many of each: operations a second, that is publishes plus
//! pushes.
//!
//! Publishers publish to one of 1,000 clients after another as fast as they can, or to all of them
//! at once, which counts as 1,000 publishes; workers serve as fast as they can and give way when
//! there is nothing to serve.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use pushlane::SLOTS;
use pushlane::backlog::Dirty;
use serde_json::json;

use super::{Plan, groups};
use crate::each_peer;
use crate::lanes::Lanes;
use crate::subject::Subject;

const CLIENTS: u32 = 1_000;

type Group<'a, 'b> = &'a mut BenchmarkGroup<'b, WallTime>;

/// What the operations of all samples were: by group, name and pairs.
static SEEN: Mutex<BTreeMap<Of, [f64; 3]>> = Mutex::new(BTreeMap::new());

type Of = (&'static str, String, u32);

/// How the operations of [`groups::CONTENDED`] and [`groups::CONTENDED_ALL`] divide, which
/// criterion can't say.
#[derive(Debug)]
pub struct Contended;

impl Contended {
    /// Writes that of a group to a file: by name and pairs, publishes and pushes a second.
    pub fn save(group: &str, path: &Path) -> std::io::Result<()> {
        let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<_> = seen
            .iter()
            .filter(|((of, ..), _)| *of == group)
            .map(|((_, name, pairs), [publishes, pushes, seconds])| {
                json!({
                    "name": name, "pairs": pairs,
                    "publishes": publishes / seconds, "pushes": pushes / seconds,
                })
            })
            .collect();
        fs::write(path, json!(rows).to_string())
    }
}

/// Serves one client, if one is ready. How many were served.
fn one<P: Subject<Request = ()>>(peer: &P) -> u64 {
    peer.lease().map_or(0, |lease| {
        peer.done(lease);
        1
    })
}

/// Serves the clients of a bank that are ready.
fn batch(lanes: &Lanes<Dirty>) -> u64 {
    lanes.queue.try_lease_batch(SLOTS).map_or(0, |batch| {
        let clients = batch.len() as u64;
        batch.complete();
        clients
    })
}

/// Publishes to a client, or to all. How many clients it was for.
type Publish<P> = fn(&P, u32) -> u64;

fn to_one<P: Subject<Request = ()>>(peer: &P, client: u32) -> u64 {
    peer.publish(client, &());
    1
}

fn to_all<P: Subject<Request = ()>>(peer: &P, _: u32) -> u64 {
    peer.publish_all(CLIENTS, &());
    CLIENTS.into()
}

/// Runs for a while; publishes, pushes, and how long it was.
fn run_for<P: Subject<Request = ()>>(
    peer: &P,
    publish: Publish<P>,
    serve: fn(&P) -> u64,
    pairs: u32,
    time: Duration,
) -> (u64, u64, Duration) {
    let (stop, begin) = (AtomicBool::new(false), Barrier::new(2 * pairs as usize + 1));
    let (stop, begin) = (&stop, &begin);
    let publisher = move |number: u32| {
        let (mut client, mut publishes) = (number * 311 % CLIENTS, 0);
        begin.wait();
        while !stop.load(Ordering::Relaxed) {
            client = (client + 617) % CLIENTS;
            publishes += publish(peer, client);
        }
        publishes
    };
    let worker = move || {
        let mut pushes = 0;
        begin.wait();
        while !stop.load(Ordering::Relaxed) {
            match serve(peer) {
                0 => thread::yield_now(),
                served => pushes += served,
            }
        }
        pushes
    };
    thread::scope(|scope| {
        let publishers: Vec<_> =
            (0..pairs).map(|number| scope.spawn(move || publisher(number))).collect();
        let workers: Vec<_> = (0..pairs).map(|_| scope.spawn(worker)).collect();
        begin.wait();
        let start = Instant::now();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let count = |threads: Vec<thread::ScopedJoinHandle<'_, u64>>| -> u64 {
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        };
        let counts = (count(publishers), count(workers));
        (counts.0, counts.1, start.elapsed())
    })
}

/// How many operations of a group are one iteration.
pub fn iteration(group: &str) -> f64 {
    if group == groups::CONTENDED_ALL { 1e6 } else { 1.0 }
}

/// What a group measures: its name, and as how many it runs.
#[derive(Clone, Copy)]
struct Run {
    of: &'static str,
    plan: Plan,
    pairs: u32,
}

fn contend<P: Subject<Request = ()>>(group: Group<'_, '_>, run: Run) {
    measure::<P>(group, run, P::NAME, to_one, one);
}

fn contend_all<P: Subject<Request = ()>>(group: Group<'_, '_>, run: Run) {
    measure::<P>(group, run, P::NAME, to_all, one);
}

fn measure<P: Subject<Request = ()>>(
    group: Group<'_, '_>,
    Run { of, plan, pairs }: Run,
    name: &str,
    publish: Publish<P>,
    serve: fn(&P) -> u64,
) {
    let peer = P::with_clients(CLIENTS);
    let share = plan.measurement / plan.samples as u32;
    let mut total = [0.0; 3];
    group.bench_function(BenchmarkId::new(name, pairs), |bencher| {
        bencher.iter_custom(|wanted| {
            let (publishes, pushes, time) = run_for(&peer, publish, serve, pairs, share);
            let sample = [publishes as f64, pushes as f64, time.as_secs_f64()];
            total = std::array::from_fn(|column| total[column] + sample[column]);
            // A duration has no place for a part of a nanosecond, and for some an operation takes
            // no more.
            let iterations = (publishes + pushes).max(1) as f64 / iteration(of);
            time.mul_f64(wanted as f64 / iterations)
        });
    });
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert((of, name.to_owned(), pairs), total);
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::CONTENDED);
    let group = &mut group;
    for pairs in [1, 2, 4] {
        let run = Run { of: groups::CONTENDED, plan, pairs };
        contend::<Lanes<Dirty>>(group, run);
        measure::<Lanes<Dirty>>(group, run, "pushlane, in batches", to_one, batch);
        each_peer!(contend(group, run));
    }
}

pub(super) fn to_everyone(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::CONTENDED_ALL);
    let group = &mut group;
    for pairs in [1, 2, 4] {
        let run = Run { of: groups::CONTENDED_ALL, plan, pairs };
        contend_all::<Lanes<Dirty>>(group, run);
        measure::<Lanes<Dirty>>(group, run, "pushlane, in batches", to_all, batch);
        each_peer!(contend_all(group, run));
    }
}
