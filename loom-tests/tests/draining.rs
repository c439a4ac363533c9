//! Whoever waits for the end of a drain hears of it, though a publish to everyone is still under way.

use std::sync::Arc;

use loom::future::block_on;
use loom::model::Builder;
use loom::thread;
use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};

/// A drain that nobody is told of is a deadlock, and loom says so.
fn drains(clients: usize) {
    let mut model = Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
        for _ in 0..clients {
            queue.register().unwrap();
        }
        let publisher = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let published = queue.publish(Target::Everyone, Lane::Normal, ());
                published.is_ok()
            })
        };
        queue.close();
        block_on(async {
            // Without clients nobody need serve.
            if clients > 0 {
                while let Some(lease) = queue.next().await {
                    lease.complete();
                }
            }
            queue.drained().await;
        });
        publisher.join().unwrap();
    });
}

#[test]
fn without_clients() {
    drains(0);
}

#[test]
fn with_a_client() {
    drains(1);
}
