//! 6. A barrier is not passed before everything that its caller knows of is delivered, and takes
//!    nothing from publishes beside it.

use std::sync::Arc;

use crate::model::{Queue, explore, on, pause, race};
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, PushQueue, Signal, Target, Topic, Version};

/// A worker that sees another client wait pauses between its claim and the number that it reads.
struct Hesitant;

impl Signal for Hesitant {
    fn ready(&self, _: usize) {
        pause();
    }
}

/// A queue whose pushes send a state that is no part of the request.
struct Stated {
    queue: Queue<Dirty, Sweep, Hesitant>,
    client: ClientKey,
    state: AtomicU32,
    sent: AtomicU32,
}

const TOPIC: Topic = Topic(0);

impl Stated {
    /// With a client that is queued, so that a push may have been claimed before the next mark, and
    /// another one behind it.
    fn new() -> Arc<Self> {
        let config = Config::new(2).topics(1);
        let queue = PushQueue::<Dirty, Heap<Sweep>, _>::with_parts(config, Dirty, Hesitant);
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        queue.register_with(Lane::Normal, ()).unwrap();
        Arc::new(Stated { queue, client, state: AtomicU32::new(0), sent: AtomicU32::new(0) })
    }

    fn push(&self) {
        let Some(lease) = self.queue.try_lease() else { return };
        self.sent.store(self.state.load(Relaxed), Relaxed);
        pause();
        lease.complete();
    }

    fn change<'t>(&self, target: impl Into<Target<'t>>) -> Version {
        self.state.store(1, Relaxed);
        self.queue.publish(target, Lane::Normal, ()).unwrap()
    }

    fn check(&self, version: Version) {
        pause();
        if !self.queue.laggards(version).any(|client| client == self.client) {
            assert_eq!(self.sent.load(Relaxed), 1, "converged, and not sent");
        }
    }
}

#[test]
fn a_barrier_is_not_passed_early() {
    explore(3, || {
        let world = Stated::new();
        race((
            on(&world, |world| {
                world.change(world.client);
                world.check(world.queue.barrier());
            }),
            on(&world, |world| world.push()),
        ));
    });
}

#[test]
fn a_barrier_takes_nothing_from_another_publish() {
    explore(1, || {
        let world = Stated::new();
        race((
            on(&world, |world| {
                world.queue.barrier();
            }),
            on(&world, |world| world.check(world.change(TOPIC))),
            on(&world, |world| world.push()),
        ));
    });
}
