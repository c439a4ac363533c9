//! The journal: one ring of requests for everybody, and a cursor a client.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use model::{Queue, drain, explore, on, pause, race};
use pushlane::backlog::{Everything, Journal, Merge};
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
    queue: Queue<Journal<Flags, N>>,
    delivered: AtomicU32,
}

impl<const N: usize> Watched<N> {
    fn new() -> Arc<Self> {
        let queue = PushQueue::new(Config::new(1));
        queue.register().unwrap();
        Arc::new(Watched { queue, delivered: AtomicU32::new(0) })
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

/// A lease that is given back has moved no cursor.
#[test]
fn a_journal_is_rewound_by_a_requeue() {
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

/// An entry that is reserved and not written ends what a lease can contain; later ones may be numbered,
/// and have not converged.
#[test]
fn an_unwritten_entry_holds_later_ones_back() {
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

/// A ring of one place: whoever falls off it is told everything, and nothing gets lost on the way.
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

/// Being told everything includes what an entry stands for that is reserved and not written.
#[test]
fn everything_is_seen_by_who_is_told_everything() {
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

/// A queue with two clients, and what each of them has got.
struct Two<const N: usize> {
    queue: Queue<Journal<Flags, N>>,
    clients: [ClientKey; 2],
    told: [AtomicU32; 2],
}

impl<const N: usize> Two<N> {
    fn publish(&self, client: usize, flag: u32) {
        let target = Target::One(self.clients[client]);
        self.queue.publish(target, Lane::Normal, Flags(flag)).ok().unwrap();
    }

    fn push(&self) -> bool {
        let Some(lease) = self.queue.try_lease() else { return false };
        let client = self.clients.iter().position(|client| *client == lease.key());
        self.told[client.unwrap()].fetch_or(lease.request().0, Relaxed);
        pause();
        lease.complete();
        true
    }

    fn all(&self, client: usize) -> u32 {
        while self.push() {}
        self.told[client].load(Relaxed)
    }
}

/// An entry for somebody else takes the place of the one that a lease looks for.
#[test]
fn an_entry_is_not_passed_over_for_the_one_that_replaces_it() {
    explore(3, || {
        let queue = PushQueue::new(Config::new(2));
        let client = queue.register().unwrap();
        // Another place and another generation: either number, read with the client's other one, would
        // name somebody else.
        let former = queue.register().unwrap();
        queue.unregister(former).unwrap();
        let other = queue.register().unwrap();
        assert_ne!(client.generation(), other.generation());
        let clients = [client, other];
        let told = [AtomicU32::new(0), AtomicU32::new(0)];
        let two = Arc::new(Two::<1> { queue, clients, told });
        two.publish(0, 1);
        race((on(&two, |two| two.publish(1, 2)), on(&two, |two| two.push())));
        assert_eq!(two.all(0) & 1, 1);
        assert_eq!(two.all(1) & 2, 2);
    });
}

/// The entry that a lease looks for takes the place of one for somebody else.
#[test]
fn an_entry_is_not_passed_over_for_the_one_that_it_replaces() {
    explore(3, || {
        let queue = PushQueue::<Journal<Flags, 2>>::new(Config::new(2));
        let other = queue.register().unwrap();
        queue.publish(Target::One(other), Lane::Normal, Flags(4)).ok().unwrap();
        queue.try_lease().unwrap().complete();
        // Its cursor is behind the other one's entry.
        let clients = [queue.register().unwrap(), other];
        let told = [AtomicU32::new(0), AtomicU32::new(0)];
        let two = Arc::new(Two { queue, clients, told });
        two.publish(0, 1);
        race((on(&two, |two| two.publish(0, 2)), on(&two, |two| two.push())));
        assert_eq!(two.all(0), 3);
    });
}

/// A newcomer's cursor begins where the journal ends: before that, it sees what was true.
#[test]
fn a_newcomer_misses_no_entry() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Journal<Flags, 2>>::new(Config::new(1)));
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
