//! 6. A barrier is not passed before everything that its caller knows of is delivered, and takes
//!    nothing from publishes beside it.

use std::sync::Arc;

use crate::model::{Queue, explore, on, pause, race};
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, Target, Topic, Version};

/// A queue whose pushes send a state that is no part of the request.
struct Stated {
    queue: Queue<Dirty>,
    state: AtomicU32,
    sent: AtomicU32,
}

const TOPIC: Topic = Topic(0);

impl Stated {
    /// With a client that is queued, so that a push may have been claimed before the next mark.
    fn new() -> (Arc<Self>, ClientKey) {
        let queue = PushQueue::new(Config::new(1).topics(1));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        (Arc::new(Stated { queue, state: AtomicU32::new(0), sent: AtomicU32::new(0) }), client)
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
        if self.queue.is_converged(version) {
            assert_eq!(self.sent.load(Relaxed), 1, "converged, and not sent");
        }
    }
}

#[test]
fn a_barrier_is_not_passed_early() {
    explore(3, || {
        let (world, client) = Stated::new();
        race((
            on(&world, move |world| {
                world.change(client);
                world.check(world.queue.barrier());
            }),
            on(&world, |world| world.push()),
        ));
    });
}

#[test]
fn a_barrier_takes_nothing_from_another_publish() {
    explore(2, || {
        let (world, _) = Stated::new();
        race((
            on(&world, |world| {
                world.queue.barrier();
            }),
            on(&world, |world| world.check(world.change(TOPIC))),
            on(&world, |world| world.push()),
        ));
    });
}
