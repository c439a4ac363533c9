//! Whoever waits for the end of a drain hears of it, though a publish to everyone is still under
//! way.

use std::sync::Arc;

use crate::model::{explore, on, race};
use loom::future::block_on;
use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};

/// A drain that nobody is told of is a deadlock, and loom says so.
fn drains(clients: usize) {
    explore(2, move || {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
        for _ in 0..clients {
            queue.register().unwrap();
        }
        race((
            on(&queue, |queue| queue.publish(Target::Everyone, Lane::Normal, ()).is_ok()),
            on(&queue, move |queue| {
                queue.close();
                // Without clients nobody need serve.
                while clients > 0
                    && let Some(lease) = block_on(queue.next())
                {
                    lease.complete();
                }
                block_on(queue.drained());
            }),
        ));
    });
}

#[test]
fn a_drain_without_clients_is_heard() {
    drains(0);
}

#[test]
fn a_drain_with_a_client_is_heard() {
    drains(1);
}
