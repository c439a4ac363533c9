//! 6. Convergence is never early and never hangs: a client that left or was not concerned counts as
//!    converged.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::thread;
use model::{drain, explore};
use pushlane::backlog::{Bits, Dirty};
use pushlane::{Config, Lane, PushQueue, Target};

/// Whoever finds a version converged sees all that was done to deliver it.
#[test]
fn convergence_is_never_early() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        let delivered = Arc::new(AtomicU32::new(0));
        let worker = thread::spawn({
            let (queue, delivered) = (Arc::clone(&queue), Arc::clone(&delivered));
            move || {
                let Some(lease) = queue.try_lease() else { return };
                delivered.fetch_or(lease.request()[0], Relaxed);
                lease.complete();
            }
        });
        let version = queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();
        if queue.is_converged(version) {
            assert_eq!(delivered.load(Relaxed) & 2, 2, "converged, and not delivered");
        }
        worker.join().unwrap();
        drain(&queue, |_| ());
        assert!(queue.is_converged(version));
    });
}

/// A lease that is given back has delivered nothing.
#[test]
fn convergence_is_not_reached_by_giving_back() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || drop(queue.try_lease())
        });
        let version = queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();
        assert!(!queue.is_converged(version));
        worker.join().unwrap();
        assert!(!queue.is_converged(version));
        drain(&queue, |_| ());
        assert!(queue.is_converged(version));
    });
}

/// A newcomer that was marked by a publish has not completed it, whatever number it starts with.
#[test]
fn convergence_waits_for_a_newcomer() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let newcomer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.register().unwrap()
        });
        let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        newcomer.join().unwrap();
        let converged = queue.is_converged(version);
        assert_eq!(queue.try_lease().is_none(), converged);
    });
}

/// A client that leaves, whatever it was doing, holds nothing back.
#[test]
fn convergence_does_not_wait_for_who_has_left() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || PushQueue::try_lease_from(queue)
        });
        let leaver = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.unregister(client).unwrap()
        });
        let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        leaver.join().unwrap();
        assert!(queue.is_converged(version), "whether or not the push has ended");
        drop(worker.join().unwrap());
        assert!(queue.is_converged(version));
        assert!(queue.try_lease().is_none());
    });
}

/// A publish to one client is done when that client has left, whoever has its place now.
#[test]
fn convergence_of_one_client_does_not_wait_for_the_next() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let version = queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        let successor = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.unregister(client).unwrap();
                queue.register_with(Lane::Normal, ()).unwrap()
            }
        });
        let laggard = queue.laggards(version).next();
        assert!(laggard.is_none_or(|laggard| laggard == client));
        successor.join().unwrap();
        assert!(queue.is_converged(version));
    });
}
