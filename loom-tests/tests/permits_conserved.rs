//! 5. Permits are conserved: free + held = limit, after completion, requeue, eviction and resize.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use loom::thread;
use model::explore;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue, Target};

/// The other three ways a lease may end, against a resize.
#[test]
fn permits_conserved_while_the_limit_changes() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2).permits(1)));
        for _ in 0..2 {
            queue.register_with(Lane::Normal, ()).unwrap();
        }
        let workers = [true, false].map(|completes| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                if let Some(mut lease) = queue.try_lease() {
                    if completes {
                        lease.release_permit();
                        lease.complete();
                    } else {
                        drop(lease);
                    }
                }
            })
        });
        queue.set_limit(2);
        queue.set_limit(1);
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!((queue.held(), queue.limit()), (0, 1));
        let lease = queue.try_lease();
        assert_eq!(queue.held(), usize::from(lease.is_some()));
        drop(lease);
    });
}

/// Never more pushes at once than there are permits.
#[test]
fn permits_bound_the_pushes_in_progress() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2).permits(1)));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        let pushing = Arc::new(AtomicUsize::new(0));
        let workers = [(); 2].map(|()| {
            let (queue, pushing) = (Arc::clone(&queue), Arc::clone(&pushing));
            thread::spawn(move || {
                if let Some(lease) = queue.try_lease() {
                    assert_eq!(pushing.fetch_add(1, AcqRel), 0);
                    pushing.fetch_sub(1, AcqRel);
                    lease.complete();
                }
            })
        });
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(queue.held(), 0);
    });
}

/// The client is evicted while it is pushed to; its permit was taken out and comes back elsewhere.
#[test]
fn permits_conserved_through_an_eviction() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).permits(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let mut lease = PushQueue::try_lease_from(queue)?;
                let permit = lease.take_permit();
                assert!(lease.take_permit().is_none(), "one permit a lease");
                lease.release_permit();
                drop(lease);
                permit
            }
        });
        queue.unregister(client).unwrap();
        let permit = worker.join().unwrap();
        assert_eq!(queue.held(), usize::from(permit.is_some()));
        drop(permit);
        assert_eq!((queue.held(), queue.clients()), (0, 0));
    });
}
