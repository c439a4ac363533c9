//! The fan-out on demand: a publisher raises the visits that remain, and workers make the marks.

use std::sync::Arc;

use crate::model::{Bell, Queue, drain, explore, lease_or_sleep, on, race};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Target, Version};

/// A queue, what two publishers have to say, and what of it the client has been told.
struct Told {
    queue: Queue<Dirty>,
    client: ClientKey,
    news: [AtomicUsize; 2],
    heard: [AtomicUsize; 2],
}

impl Told {
    fn with_clients(clients: usize) -> Arc<Told> {
        let queue = PushQueue::new(Config::new(clients));
        let client = queue.register().unwrap();
        for _ in 1..clients {
            queue.register().unwrap();
        }
        let none = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        Arc::new(Told { queue, client, news: none(), heard: none() })
    }

    fn publish(&self, who: usize) -> Version {
        self.news[who].store(1, Relaxed);
        self.queue.publish(Target::Everyone, Lane::Normal, ()).unwrap()
    }

    fn push(&self) -> Option<[usize; 2]> {
        let lease = self.queue.try_lease()?;
        let seen = [0, 1].map(|who| self.news[who].load(Relaxed));
        for (seen, heard) in seen.iter().zip(&self.heard) {
            if *seen == 1 {
                heard.store(1, Relaxed);
            }
        }
        lease.complete();
        Some(seen)
    }

    fn check(&self, version: Version, who: usize) {
        if self.queue.is_converged(version) {
            assert_eq!(self.heard[who].load(Relaxed), 1, "converged, and not delivered");
        }
    }
}

/// The worker's visit begins before the second raise or after it: it counts for one of the two
/// publishers, or for both.
#[test]
fn a_fan_out_is_seen_although_another_one_is_being_made() {
    explore(3, || {
        let told = Told::with_clients(1);
        told.publish(1);
        let (_, seen) = race((on(&told, |told| told.publish(0)), on(&told, |told| told.push())));
        if told.queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after the publish");
        }
    });
}

/// The client has begun a push with the number of the first publish, whose visit is still to be
/// made. That visit serves the second publish too, if it begins after its raise.
#[test]
fn a_visit_spares_no_client_that_owes_the_newest() {
    explore(2, || {
        let told = Told::with_clients(1);
        told.publish(1);
        told.queue.publish(Target::One(told.client), Lane::Urgent, ()).unwrap();
        assert!(told.push().is_some(), "marked");
        let (_, seen) = race((on(&told, |told| told.publish(0)), on(&told, |told| told.push())));
        if told.queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after the publish");
        }
    });
}

/// Two publishers raise at once. One forced switch: two take an hour.
#[test]
fn two_fan_outs_are_seen() {
    explore(1, || {
        let told = Told::with_clients(1);
        let (_, _, seen) = race((
            on(&told, |told| told.publish(0)),
            on(&told, |told| told.publish(1)),
            on(&told, |told| told.push()),
        ));
        if told.queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after both publishes");
        }
    });
}

/// The client is also marked by hand, and leased for that reason: the fan-out may spare it or not.
#[test]
fn a_fan_out_is_seen_beside_a_mark() {
    explore(3, || {
        let told = Told::with_clients(1);
        told.queue.publish(Target::One(told.client), Lane::Urgent, ()).unwrap();
        let (_, seen) = race((on(&told, |told| told.publish(0)), on(&told, |told| told.push())));
        if told.queue.try_lease().is_none() {
            assert_eq!(
                seen.map(|[first, _]| first),
                Some(1),
                "the last lease began after the publish"
            );
        }
    });
}

#[test]
fn a_fan_out_does_not_converge_early() {
    explore(3, || {
        let told = Told::with_clients(1);
        let (version, _) = race((
            on(&told, |told| {
                let version = told.publish(0);
                told.check(version, 0);
                version
            }),
            on(&told, |told| told.push()),
        ));
        drain(&told.queue, |()| ());
        assert!(told.queue.is_converged(version));
    });
}

/// Two workers: one looks for convergence while the other one may be in its visit.
#[test]
fn a_fan_out_does_not_converge_early_with_two_workers() {
    explore(1, || {
        let told = Told::with_clients(1);
        let version = told.publish(0);
        race((
            on(&told, |told| told.push()),
            on(&told, move |told| {
                told.push();
                told.check(version, 0);
            }),
        ));
        drain(&told.queue, |()| ());
        assert!(told.queue.is_converged(version));
    });
}

/// The client is pushed to once: the second worker finds it served, or in the hands of the first.
#[test]
fn a_fan_out_reaches_a_client_once() {
    explore(1, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        queue.register().unwrap();
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        fn push(queue: &Arc<Queue<Dirty>>) -> usize {
            usize::from(queue.try_lease().map(|lease| lease.complete()).is_some())
        }
        let (one, other) = race((on(&queue, push), on(&queue, push)));
        let pushes = one + other + drain(&queue, |()| ());
        assert_eq!(pushes, 1);
    });
}

/// A client that leaves, or is replaced, in the middle of a visit.
#[test]
fn a_fan_out_converges_without_a_client_that_has_left() {
    explore(1, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let (version, _, _) = race((
            on(&queue, |queue| queue.publish(Target::Everyone, Lane::Normal, ()).unwrap()),
            on(&queue, move |queue| {
                queue.unregister(client).unwrap();
                let _ = queue.register();
            }),
            on(&queue, |queue| drop(queue.try_lease())),
        ));
        drain(&queue, |()| ());
        assert!(queue.is_converged(version));
        assert!(queue.try_lease().is_none());
    });
}

/// While one worker is in a visit, or holds a bank that it popped, the other one finds nothing and
/// sleeps.
#[test]
fn two_workers_find_two_banks_of_a_fan_out() {
    explore(1, || {
        let queue: Queue<Dirty, Sweep, Bell> =
            PushQueue::with_parts(Config::new(SLOTS + 1), Dirty, Bell::default());
        let keys: Vec<_> = (0..SLOTS + 1).map(|_| queue.register().unwrap()).collect();
        keys[1..SLOTS].iter().for_each(|&key| queue.unregister(key).unwrap());
        let queue = Arc::new(queue);
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let (one, other) = race((on(&queue, lease_or_sleep), on(&queue, lease_or_sleep)));
        assert_ne!(one.key(), other.key());
    });
}
