//! The journal: one ring of requests for everybody, and a cursor a client.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, race};
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::{Everything, Journal, Locked, Merge};
use pushlane::{ClientKey, Config, Lane, PushQueue, Target, Version};

/// A set of flags.
#[derive(Clone)]
struct Flags(u32);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Everything for Flags {
    fn everything() -> Self {
        Flags(u32::MAX)
    }
}

/// A queue whose journal has `N` places, and what its client has got.
struct Watched<const N: usize> {
    queue: Queue<Journal<Locked<Flags>, N>>,
    client: ClientKey,
    delivered: AtomicU32,
}

impl<const N: usize> Watched<N> {
    fn new() -> Arc<Self> {
        let queue = PushQueue::new(Config::new(1));
        let client = queue.register().unwrap();
        Arc::new(Watched { queue, client, delivered: AtomicU32::new(0) })
    }

    fn publish(&self, flag: u32) -> Version {
        self.queue.publish(Target::Everyone, Lane::Normal, Flags(flag)).ok().unwrap()
    }

    fn push(&self) {
        let Some(lease) = self.queue.try_lease() else { return };
        self.delivered.fetch_or(lease.request().0, Relaxed);
        pause();
        lease.complete();
    }

    fn check(&self, version: Version, flag: u32) {
        pause();
        if self.queue.is_converged(version) {
            let delivered = self.delivered.load(Relaxed);
            assert!(delivered & flag != 0, "converged, and not delivered");
        }
    }

    /// What the client has got when everything has ended.
    fn all(&self) -> u32 {
        let mut all = self.delivered.load(Relaxed);
        drain(&self.queue, |flags| all |= flags.0);
        all
    }
}

/// One publisher and a worker: with room for what is published, nothing but that is delivered.
#[test]
fn a_journal_loses_nothing() {
    explore(2, || {
        let watched = Watched::<2>::new();
        watched.publish(1);
        race((
            on(&watched, |watched| {
                let version = watched.publish(2);
                watched.check(version, 2);
            }),
            on(&watched, |watched| watched.push()),
        ));
        assert_eq!(watched.all(), 3);
    });
}

/// A lease that is given back is in the inner backlog: the cursor does not go back.
#[test]
fn what_a_requeue_gives_back_is_leased_again() {
    explore(2, || {
        let watched = Watched::<2>::new();
        watched.publish(1);
        race((
            on(&watched, |watched| watched.publish(2)),
            on(&watched, |watched| drop(watched.queue.try_lease())),
        ));
        assert_eq!(watched.all(), 3);
    });
}

/// Two publishers, one of which serves in between.
#[test]
fn entries_of_two_publishers_are_both_found() {
    explore(2, || {
        let watched = Watched::<2>::new();
        race((
            on(&watched, |watched| {
                watched.publish(1);
            }),
            on(&watched, |watched| {
                let version = watched.publish(2);
                watched.push();
                watched.check(version, 2);
            }),
        ));
        assert_eq!(watched.all(), 3);
    });
}

/// A ring of one place: a client that falls off it is told everything, and nothing is lost.
#[test]
fn an_overwritten_entry_becomes_everything() {
    explore(2, || {
        let watched = Watched::<1>::new();
        watched.publish(1);
        race((
            on(&watched, |watched| {
                let version = watched.publish(2);
                watched.check(version, 2);
            }),
            on(&watched, |watched| watched.push()),
        ));
        let all = watched.all();
        assert!(all == 3 || all == u32::MAX, "{all:b}");
    });
}

/// A client that is told everything sees what the overwritten entry stood for.
#[test]
fn everything_includes_the_entries_it_stands_for() {
    explore(3, || {
        let watched = Watched::<1>::new();
        watched.publish(1);
        let state = Arc::new(AtomicUsize::new(0));
        let read = Arc::clone(&state);
        race((
            on(&watched, move |watched| {
                state.store(1, Relaxed);
                watched.publish(2);
            }),
            on(&watched, move |watched| {
                let lease = watched.queue.try_lease().expect("the first publish was before");
                let seen = read.load(Relaxed);
                assert!(lease.request().0 == 1 || seen == 1, "told, and not seen");
                lease.complete();
            }),
        ));
    });
}

/// What is published to the client alone is merged with what is for everyone, and neither is lost.
#[test]
fn a_lease_finds_both() {
    explore(2, || {
        let watched = Watched::<2>::new();
        let client = watched.client;
        watched.publish(1);
        race((
            on(&watched, move |watched| {
                let target = Target::One(client);
                watched.queue.publish(target, Lane::Normal, Flags(2)).ok().unwrap();
            }),
            on(&watched, |watched| watched.push()),
        ));
        assert_eq!(watched.all(), 3);
    });
}

/// A newcomer's cursor begins where the journal ends: before that, it sees what was true.
#[test]
fn a_newcomer_misses_no_entry() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Journal<Locked<Flags>, 2>>::new(Config::new(1)));
        let state = Arc::new(AtomicUsize::new(0));
        let read = Arc::clone(&state);
        let (_, read) = race((
            on(&queue, move |queue| {
                state.store(1, Relaxed);
                queue.publish(Target::Everyone, Lane::Normal, Flags(1)).ok().unwrap();
            }),
            on(&queue, move |queue| {
                queue.register().unwrap();
                read.load(Relaxed)
            }),
        ));
        let mut told = 0;
        drain(&queue, |flags| told |= flags.0);
        assert!(read == 1 || told == 1, "neither read nor told");
    });
}
