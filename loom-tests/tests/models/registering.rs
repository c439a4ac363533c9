//! A newcomer and a fan-out that race: the fan-out reaches the newcomer, or the newcomer sees what
//! was true before it. (Register first, then read the state to start from.)

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, quick_or, race};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::{Backlog, Bits, Dirty, Locked, Merge};
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, Target, Version};

/// A queue, and what clients start from.
struct World<B: Backlog> {
    queue: Queue<B>,
    state: AtomicUsize,
}

impl<B: Backlog> World<B> {
    fn new(backlog: B) -> Arc<Self> {
        let queue = PushQueue::with_parts(Config::new(1), backlog, NoSignal);
        Arc::new(World { queue, state: AtomicUsize::new(0) })
    }

    fn publish(&self, lane: Lane, request: B::Request) -> Version {
        self.state.store(1, Relaxed);
        self.queue.publish(Target::Everyone, lane, request).ok().unwrap()
    }
}

/// `before` prepares the one place there is; then a newcomer comes.
fn a_newcomer_misses_nothing<B>(
    backlog: fn() -> B,
    request: fn() -> B::Request,
    before: fn(&Queue<B>) -> Option<ClientKey>,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(quick_or(3, 2), move || {
        let world = World::new(backlog());
        let predecessor = before(&world.queue);
        let (version, read) = race((
            on(&world, move |world| world.publish(Lane::Normal, request())),
            on(&world, move |world| {
                if let Some(predecessor) = predecessor {
                    world.queue.unregister(predecessor).unwrap();
                    pause();
                }
                world.queue.register().unwrap();
                pause();
                world.state.load(Relaxed)
            }),
        ));
        let reached = drain(&world.queue, |_| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
        assert!(world.queue.is_converged(version));
    });
}

#[test]
fn a_newcomer_misses_no_fan_out() {
    a_newcomer_misses_nothing(|| Dirty, || (), |_| None);
}

#[test]
fn a_newcomer_misses_no_request() {
    a_newcomer_misses_nothing(|| Bits::<1>, || [1], |_| None);
}

#[test]
fn a_successor_misses_no_fan_out() {
    a_newcomer_misses_nothing(|| Dirty, || (), |queue| queue.register().ok());
}

/// The place passes on between the record and the mark: what was recorded left with the
/// predecessor.
#[test]
fn a_successor_misses_no_request() {
    a_newcomer_misses_nothing(|| Bits::<1>, || [1], |queue| queue.register().ok());
}

#[derive(Clone)]
struct News;

impl Merge for News {
    fn merge(&mut self, _: &Self) {}
}

#[test]
fn a_successor_misses_no_locked_request() {
    a_newcomer_misses_nothing(Locked::new, || News, |queue| queue.register().ok());
}

/// A worker visits the banks for a fan-out while a client registers. A client that is not live yet
/// is not marked, so it must see what the publisher wrote.
#[test]
fn a_newcomer_misses_no_fan_out_that_a_worker_makes() {
    explore(1, || {
        let world = World::new(Dirty);
        let (version, read, pushed) = race((
            on(&world, |world| world.publish(Lane::Normal, ())),
            on(&world, |world| {
                world.queue.register().unwrap();
                pause();
                world.state.load(Relaxed)
            }),
            on(&world, |world| {
                let Some(lease) = world.queue.try_lease() else { return 0 };
                let seen = world.state.load(Relaxed);
                lease.complete();
                seen
            }),
        ));
        let reached = drain(&world.queue, |_| ()) == 1;
        assert!(read == 1 || pushed == 1 || reached, "neither read nor told");
        assert!(world.queue.is_converged(version));
    });
}

/// A newcomer that starts with a request gets it, and gets what is published meanwhile.
#[test]
fn a_first_request_merges_with_a_fan_out() {
    explore(3, || {
        let world = World::new(Bits::<1>);
        let (_, read) = race((
            on(&world, |world| world.publish(Lane::Urgent, [2])),
            on(&world, |world| {
                world.queue.register_with(Lane::Normal, [1]).unwrap();
                world.state.load(Relaxed)
            }),
        ));
        let mut delivered = 0;
        drain(&world.queue, |[flags]| delivered += flags);
        assert!(delivered & 1 == 1);
        assert!(read == 1 || delivered & 2 == 2, "neither read nor told");
    });
}

/// A lease for a newcomer has the key that the newcomer was given, not that of the place's last
/// client.
#[test]
fn a_newcomer_is_leased_by_its_own_key() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        queue.unregister(queue.register().unwrap()).unwrap();
        let (client, leased) = race((
            on(&queue, |queue| queue.register().unwrap()),
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
                let lease = queue.try_lease()?;
                let client = lease.key();
                lease.complete();
                Some(client)
            }),
        ));
        assert!(leased.is_none_or(|leased| leased == client), "{leased:?} is not {client:?}");
    });
}

/// Two newcomers, one place.
#[test]
fn a_place_is_given_once() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let (one, other) = race((
            on(&queue, |queue| queue.register().is_ok()),
            on(&queue, |queue| queue.register().is_ok()),
        ));
        assert!(one != other);
        assert_eq!(queue.clients(), 1);
    });
}

/// One client leaves while two register: the vacated place is found.
#[test]
fn a_place_that_comes_free_is_given_once() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let (_, one, other) = race((
            on(&queue, move |queue| queue.unregister(client).unwrap()),
            on(&queue, |queue| queue.register().is_ok()),
            on(&queue, |queue| queue.register().is_ok()),
        ));
        assert!(!(one && other));
        assert_eq!(queue.clients(), usize::from(one || other));
    });
}
