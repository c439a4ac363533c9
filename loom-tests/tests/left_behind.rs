//! A publish may record for a client that leaves before it can be marked. Nobody is told of such a request,
//! and yet it doesn't stay in memory: not in a vacant place, not with a client that is up to date.

mod model;

use std::sync::Arc as Shelf;

use model::{Queue, drain, explore, on, pause, race};
use pushlane::backlog::{Locked, Merge};
use pushlane::{Config, Lane, PushQueue, Silent, Target};

/// A request that can be counted.
#[derive(Clone)]
struct Kept(#[allow(dead_code, reason = "its copies are counted")] Shelf<()>);

impl Merge for Kept {
    fn merge(&mut self, _: &Self) {}
}

struct World {
    queue: Queue<Locked<Kept>>,
    shelf: Shelf<()>,
}

impl World {
    fn new() -> std::sync::Arc<Self> {
        let queue = PushQueue::with_parts(Config::new(1), Locked::new(), Silent);
        std::sync::Arc::new(World { queue, shelf: Shelf::new(()) })
    }

    /// Refused or not: the client may have left.
    fn publish(&self, target: Target<'_>) {
        let _ = self.queue.publish(target, Lane::Normal, Kept(self.shelf.clone()));
    }

    /// Everybody who is ready has been served.
    fn assert_nothing_is_left_behind(&self) {
        drain(&self.queue, |_| ());
        assert_eq!(Shelf::strong_count(&self.shelf), 1, "a request is left behind");
    }
}

#[test]
fn for_the_one_client_it_is_for() {
    explore(3, || {
        let world = World::new();
        let client = world.queue.register().unwrap();
        race((
            on(&world, move |world| world.publish(Target::One(client))),
            on(&world, move |world| world.queue.unregister(client).unwrap()),
        ));
        world.assert_nothing_is_left_behind();
    });
}

#[test]
fn for_one_of_everyone() {
    explore(3, || {
        let world = World::new();
        let client = world.queue.register().unwrap();
        race((
            on(&world, move |world| world.publish(Target::Everyone)),
            on(&world, move |world| world.queue.unregister(client).unwrap()),
        ));
        world.assert_nothing_is_left_behind();
    });
}

/// The next client gets it, if it comes too late to be cleared away.
#[test]
fn with_a_successor() {
    explore(2, || {
        let world = World::new();
        let client = world.queue.register().unwrap();
        race((
            on(&world, move |world| world.publish(Target::One(client))),
            on(&world, move |world| {
                world.queue.unregister(client).unwrap();
                pause();
                world.queue.register().unwrap();
            }),
        ));
        world.assert_nothing_is_left_behind();
    });
}

/// The place of a client that leaves during its push is cleared at the end of the push.
#[test]
fn at_the_end_of_a_push() {
    explore(2, || {
        let world = World::new();
        let client = world.queue.register().unwrap();
        world.publish(Target::One(client));
        race((
            on(&world, move |world| world.publish(Target::One(client))),
            on(&world, move |world| {
                let lease = world.queue.try_lease();
                world.queue.unregister(client).unwrap();
                if let Some(lease) = lease {
                    lease.complete();
                }
            }),
        ));
        world.assert_nothing_is_left_behind();
    });
}

/// Two publishers, one of whom clears away what both have left.
#[test]
fn by_two_publishers() {
    explore(2, || {
        let world = World::new();
        let client = world.queue.register().unwrap();
        race((
            on(&world, move |world| world.publish(Target::One(client))),
            on(&world, move |world| world.publish(Target::Everyone)),
            on(&world, move |world| world.queue.unregister(client).unwrap()),
        ));
        world.assert_nothing_is_left_behind();
    });
}
