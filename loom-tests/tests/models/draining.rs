//! A caller that waits for the end of a drain is woken, although a publish to everyone is still in
//! progress.

use std::sync::Arc;

use crate::model::{explore, on, race};
use loom::future::block_on;
use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};

/// Loom reports a waiter that is never woken as a deadlock.
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
                // Without clients there is nothing to serve.
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
