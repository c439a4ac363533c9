//! Publish, lease and complete allocate nothing, for every target, with the backlogs that promise
//! it.
//!
//! Linking the counter replaces the allocator of this test program only. It counts the allocations
//! of the calling thread.

use allocation_counter::measure;
use pushlane::backlog::{Backlog, Bits, Dirty, Everything, Journal, Locked, Merge};
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Target, Topic};

/// A payload that needs no heap.
#[derive(Clone, Debug, PartialEq)]
struct Flags(u64);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Everything for Flags {
    fn everything() -> Self {
        Flags(u64::MAX)
    }
}

/// Returns the result of `operation`, and asserts that it has allocated nothing.
fn free<T>(what: &str, operation: impl FnOnce() -> T) -> T {
    let mut outcome = None;
    let info = measure(|| outcome = Some(operation()));
    assert_eq!((info.count_total, info.bytes_total), (0, 0), "{what} allocates");
    outcome.unwrap()
}

const CLIENTS: usize = 1_100;

/// All operations twice, to find what allocates once as well as what grows.
fn rounds<B: Backlog + Default>(request: impl Fn() -> B::Request) {
    let queue = PushQueue::<B>::new(Config::new(CLIENTS).topics(2).permits(64));
    let register = || free("register", || queue.register()).unwrap();
    let clients: Vec<ClientKey> = (0..CLIENTS - 1).map(|_| register()).collect();
    let topics = [Topic(0), Topic(1)];
    for (index, &client) in clients.iter().enumerate().step_by(3) {
        free("subscribe", || queue.subscribe(client, topics[index % 2])).unwrap();
    }
    let scope = Scope::any(&topics[..1]);
    let narrow = scope.and_any(&topics);
    let targets = [
        Target::One(clients[7]),
        Target::One(clients[CLIENTS - 2]),
        Target::Topics(scope),
        Target::Topics(narrow),
        Target::Everyone,
    ];
    for lane in [Lane::Normal, Lane::Urgent] {
        for target in targets {
            let version = free("publish", || queue.publish(target, lane, request())).unwrap();
            // While some are in progress, some are published to again.
            let first = free("lease", || queue.try_lease()).unwrap();
            free("publish", || queue.publish(targets[0], lane, request())).unwrap();
            free("requeue", || first.requeue());
            if let Some(batch) = free("lease of a batch", || queue.try_lease_batch(5)) {
                free("completion of a batch", || batch.complete());
            }
            while let Some(mut lease) = free("lease", || queue.try_lease()) {
                free("release of a permit", || lease.release_permit());
                free("completion", || lease.complete());
            }
            assert!(free("convergence", || queue.is_converged(version)));
        }
        let newcomer = free("register_with", || queue.register_with(lane, request())).unwrap();
        free("unregister", || queue.unregister(newcomer)).unwrap();
    }
}

#[test]
fn nothing_is_allocated_without_a_payload() {
    rounds::<Dirty>(|| ());
}

#[test]
fn nothing_is_allocated_for_flags() {
    rounds::<Bits<2>>(|| [1, 2]);
}

#[test]
fn nothing_is_allocated_by_the_journal() {
    rounds::<Journal<Locked<Flags>, 16>>(|| Flags(4));
}

#[test]
fn nothing_is_allocated_by_a_payload_in_place() {
    rounds::<Locked<Flags>>(|| Flags(4));
}

/// The counter counts.
#[test]
#[should_panic(expected = "a box allocates")]
fn a_box_would_be_noticed() {
    free("a box", || drop(std::hint::black_box(Box::new(1))));
}
