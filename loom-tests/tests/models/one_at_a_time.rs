//! 2. One at a time: a client has at most one lease, and its holder owns the slot's data.

use std::sync::Arc;

use crate::model::{Queue, explore, on, pause, quick_or, race};
use loom::cell::UnsafeCell;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue, Target};

/// A queue, and what only a lease holder touches. Loom fails the model if two accesses are not in
/// order.
struct Guarded {
    queue: Queue<Dirty>,
    data: UnsafeCell<usize>,
}

// SAFETY: that the accesses to the data don't overlap is what the models check.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { queue: PushQueue::new(Config::new(1)), data: UnsafeCell::new(0) })
    }

    fn touch(&self) {
        // SAFETY: the caller owns the client's slot; loom checks that nobody else is here.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }
}

fn push(guarded: &Arc<Guarded>) {
    if let Some(lease) = guarded.queue.try_lease() {
        guarded.touch();
        pause();
        lease.complete();
    }
}

fn give_back(guarded: &Arc<Guarded>) {
    if let Some(lease) = guarded.queue.try_lease() {
        guarded.touch();
        pause();
        lease.requeue();
    }
}

/// Pending in both lanes, the client can be found twice.
#[test]
fn one_at_a_time_for_two_workers() {
    explore(quick_or(3, 2), || {
        let guarded = Guarded::new();
        let client = guarded.queue.register_with(Lane::Normal, ()).unwrap();
        guarded.queue.publish(Target::One(client), Lane::Urgent, ()).unwrap();
        race((on(&guarded, push), on(&guarded, give_back)));
    });
}

/// A client that is marked during its push gets the next one only afterwards. One forced switch:
/// two take a minute.
#[test]
fn one_at_a_time_beside_a_publisher() {
    explore(1, || {
        let guarded = Guarded::new();
        let client = guarded.queue.register_with(Lane::Normal, ()).unwrap();
        race((
            on(&guarded, push),
            on(&guarded, push),
            on(&guarded, move |guarded| {
                guarded.queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            }),
        ));
    });
}

/// The place of a client that leaves while it is pushed to passes on only when that push has ended.
#[test]
fn one_at_a_time_also_from_one_client_to_the_next() {
    explore(3, || {
        let guarded = Guarded::new();
        let client = guarded.queue.register_with(Lane::Normal, ()).unwrap();
        race((
            on(&guarded, push),
            on(&guarded, move |guarded| {
                guarded.queue.unregister(client).unwrap();
                pause();
                // The place comes with its data.
                if guarded.queue.register().is_ok() {
                    guarded.touch();
                }
            }),
        ));
    });
}
