//! Who depends on what changes while it is published and pushed.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use model::{drain, explore};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic};

const TOPIC: Topic = Topic(0);
const OTHER: Topic = Topic(1);

fn about(topics: &[Topic]) -> Target<'_> {
    Target::Topics(Scope::any(topics))
}

/// The gate: the publisher finds the new member, or the member sees what was true before the publish.
#[test]
fn a_subscriber_misses_nothing() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).topics(1)));
        let client = queue.register().unwrap();
        let state = Arc::new(AtomicUsize::new(0));
        let publisher = thread::spawn({
            let (queue, state) = (Arc::clone(&queue), Arc::clone(&state));
            move || {
                state.store(1, Relaxed);
                queue.publish(about(&[TOPIC]), Lane::Normal, ()).unwrap()
            }
        });
        queue.subscribe(client, TOPIC).unwrap();
        let read = state.load(Relaxed);
        let version = publisher.join().unwrap();
        let reached = drain(&queue, |()| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
        assert!(queue.is_converged(version));
    });
}

/// Someone who subscribes to the filter while it is used.
#[test]
fn a_subscriber_to_a_filter_misses_nothing() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).topics(2)));
        let client = queue.register().unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        let state = Arc::new(AtomicUsize::new(0));
        let publisher = thread::spawn({
            let (queue, state) = (Arc::clone(&queue), Arc::clone(&state));
            move || {
                state.store(1, Relaxed);
                let target = Target::Topics(Scope::any(&[TOPIC]).and_any(&[OTHER]));
                queue.publish(target, Lane::Normal, ()).unwrap();
            }
        });
        queue.subscribe(client, OTHER).unwrap();
        let read = state.load(Relaxed);
        publisher.join().unwrap();
        let reached = drain(&queue, |()| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
    });
}

/// A client stays reachable through what it left, until a push that knew of it has completed.
#[test]
fn what_was_left_reaches_the_client_until_a_push_that_knew() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).topics(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        let left = Arc::new(AtomicUsize::new(0));
        let worker = thread::spawn({
            let (queue, left) = (Arc::clone(&queue), Arc::clone(&left));
            move || {
                let Some(lease) = queue.try_lease() else { return 0 };
                let knew = left.load(Relaxed);
                lease.complete();
                knew
            }
        });
        left.store(1, Relaxed);
        queue.unsubscribe(client, TOPIC).unwrap();
        let knew = worker.join().unwrap();

        queue.publish(about(&[TOPIC]), Lane::Normal, ()).unwrap();
        assert!(knew == 1 || drain(&queue, |()| ()) == 1, "forgotten without having been told");
        // Two pushes later it is out of reach for certain.
        for _ in 0..2 {
            queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            drain(&queue, |()| ());
        }
        queue.publish(about(&[TOPIC]), Lane::Normal, ()).unwrap();
        assert!(queue.try_lease().is_none());
    });
}

/// The same for the second of two topics, left while a push begins on account of the first.
#[test]
fn what_was_left_second_reaches_the_client_until_a_push_that_knew() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).topics(2)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        for topic in [TOPIC, OTHER] {
            queue.subscribe(client, topic).unwrap();
        }
        queue.unsubscribe(client, TOPIC).unwrap();
        let left = Arc::new(AtomicUsize::new(0));
        let worker = thread::spawn({
            let (queue, left) = (Arc::clone(&queue), Arc::clone(&left));
            move || {
                let lease = queue.try_lease().expect("queued");
                let knew = left.load(Relaxed);
                lease.complete();
                knew
            }
        });
        left.store(1, Relaxed);
        queue.unsubscribe(client, OTHER).unwrap();
        let knew = worker.join().unwrap();

        queue.publish(about(&[OTHER]), Lane::Normal, ()).unwrap();
        assert!(knew == 1 || drain(&queue, |()| ()) == 1, "forgotten without having been told");
    });
}

/// A push that is given back forgets nothing.
#[test]
fn what_was_left_reaches_the_client_after_a_requeue() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).topics(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        let worker = thread::spawn(move || lease.requeue());
        queue.unsubscribe(client, TOPIC).unwrap();
        let version = queue.publish(about(&[TOPIC]), Lane::Urgent, ()).unwrap();
        assert!(!queue.is_converged(version));
        worker.join().unwrap();
        assert!(!queue.is_converged(version));
        assert_eq!(drain(&queue, |()| ()), 1);
        assert!(queue.is_converged(version));
    });
}

/// Two clients of one bank change and are pushed to at once: neither takes the other's bits along.
#[test]
fn neighbours_keep_their_own_topics() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2).topics(1)));
        let stays = queue.register().unwrap();
        let goes = queue.register_with(Lane::Normal, ()).unwrap();
        queue.subscribe(goes, TOPIC).unwrap();
        queue.unsubscribe(goes, TOPIC).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                if let Some(lease) = queue.try_lease() {
                    lease.complete();
                }
            }
        });
        let leaver = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.unregister(goes).unwrap()
        });
        queue.subscribe(stays, TOPIC).unwrap();
        leaver.join().unwrap();
        worker.join().unwrap();
        queue.publish(about(&[TOPIC]), Lane::Normal, ()).unwrap();
        let lease = queue.try_lease().expect("it is subscribed");
        assert_eq!(lease.key(), stays);
        lease.complete();
        assert!(queue.try_lease().is_none());
    });
}
