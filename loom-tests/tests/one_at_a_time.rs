//! 2. One at a time: a client has at most one lease, and its holder owns the slot's data.

mod model;

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;
use model::explore;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue, Target};

/// What only a lease holder touches. Loom fails the model if two accesses are not in order.
struct Guarded(UnsafeCell<usize>);

// SAFETY: that accesses don't overlap is what the models check.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn touch(&self) {
        // SAFETY: the caller holds the client's lease; loom checks that nobody else is here.
        self.0.with_mut(|count| unsafe { *count += 1 });
    }
}

#[test]
fn one_at_a_time_for_workers_and_a_publisher() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let guarded = Arc::new(Guarded(UnsafeCell::new(0)));
        let workers = [true, false].map(|completes| {
            let (queue, guarded) = (Arc::clone(&queue), Arc::clone(&guarded));
            thread::spawn(move || {
                if let Some(lease) = queue.try_lease() {
                    guarded.touch();
                    if completes { lease.complete() } else { lease.requeue() }
                }
            })
        });
        queue.publish(Target::One(client), Lane::Urgent, ()).unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// The place of a client that leaves while it is pushed to passes on only when that push has ended.
#[test]
fn one_at_a_time_also_from_one_client_to_the_next() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let guarded = Arc::new(Guarded(UnsafeCell::new(0)));
        let worker = thread::spawn({
            let (queue, guarded) = (Arc::clone(&queue), Arc::clone(&guarded));
            move || {
                if let Some(lease) = queue.try_lease() {
                    guarded.touch();
                    lease.complete();
                }
            }
        });
        queue.unregister(client).unwrap();
        // Who has the place has its data.
        if queue.register().is_ok() {
            guarded.touch();
        }
        worker.join().unwrap();
    });
}
