//! Batches: what holds for one lease holds for several that begin and end together.

use std::sync::Arc;

use crate::model::{Bell, Queue, drain, explore, lease_or_sleep, on, race};
use pushlane::backlog::{Bits, Dirty};
use pushlane::ready::Sweep;
use pushlane::{Config, Lane, NoSignal, PushQueue, Target};

/// Completes a batch of two, if there is one. Returns the union of its requests.
fn push_batch(queue: &Queue<Bits<1>>) -> u32 {
    let Some(batch) = queue.try_lease_batch(2) else { return 0 };
    let seen = batch.iter().fold(0, |all, (_, bits)| all | bits[0]);
    batch.complete();
    seen
}

/// A request that comes while a batch begins or ends is in it, or pending afterwards.
#[test]
fn nothing_is_lost_beside_a_batch() {
    explore(2, || {
        let queue: Arc<Queue<Bits<1>>> =
            Arc::new(PushQueue::with_parts(Config::new(2), Bits, NoSignal));
        let first = queue.register_with(Lane::Normal, [0b001]).unwrap();
        queue.register_with(Lane::Normal, [0b010]).unwrap();
        let (in_batch, version) = race((
            on(&queue, |queue| push_batch(queue)),
            on(&queue, move |queue| {
                queue.publish(Target::One(first), Lane::Urgent, [0b100]).unwrap()
            }),
        ));
        let mut seen = in_batch;
        drain(&queue, |bits| seen |= bits[0]);
        assert_eq!(seen, 0b111);
        assert!(queue.is_converged(version));
        assert_eq!(queue.permits_held(), 0);
    });
}

/// Two workers with batches and two clients: no client is leased twice, no permit is invented.
#[test]
fn batches_do_not_share_a_client() {
    explore(2, || {
        let queue: Arc<Queue<Dirty>> =
            Arc::new(PushQueue::with_parts(Config::new(2).permits(3), Dirty, NoSignal));
        let clients = [(); 2].map(|()| queue.register_with(Lane::Normal, ()).unwrap());
        let keys = |queue: &Arc<Queue<Dirty>>| {
            let batch = PushQueue::try_lease_batch_from(Arc::clone(queue), 2)?;
            assert!(queue.permits_held() <= 3);
            Some(batch)
        };
        let (one, other) = race((on(&queue, keys), on(&queue, keys)));
        let mut leased: Vec<_> =
            [&one, &other].into_iter().flatten().flat_map(|batch| batch.iter()).collect();
        assert_eq!(queue.permits_held(), leased.len());
        leased.sort();
        leased.dedup();
        assert_eq!(queue.permits_held(), leased.len(), "a client is in both");
        drop((one, other));
        assert_eq!(drain(&queue, |()| ()), clients.len(), "what was dropped is back");
        assert_eq!(queue.permits_held(), 0);
    });
}

/// A worker takes all permits for one client. The worker that found none for the other is woken.
#[test]
fn permits_that_a_batch_does_not_need_are_heard() {
    explore(2, || {
        let queue: Arc<Queue<Dirty, Sweep, Bell>> =
            Arc::new(PushQueue::with_parts(Config::new(2).permits(2), Dirty, Bell::default()));
        let first = queue.register_with(Lane::Normal, ()).unwrap();
        let second = queue.register().unwrap();
        race((
            on(&queue, move |queue| {
                let batch = queue.try_lease_batch(2).into_iter();
                for lease in batch.flat_map(pushlane::Batch::into_leases) {
                    // Stays in progress, with its permit. The other permit goes back.
                    if lease.key() == first {
                        std::mem::forget(lease);
                    }
                }
            }),
            on(&queue, move |queue| {
                queue.publish(Target::One(second), Lane::Normal, ()).unwrap();
                let lease = lease_or_sleep(queue);
                if lease.key() == first {
                    std::mem::forget(lease);
                    drop(lease_or_sleep(queue));
                }
            }),
        ));
    });
}

/// A client that leaves during a batch keeps its place until the batch ends.
#[test]
fn a_place_comes_back_with_the_batch() {
    explore(2, || {
        let queue: Arc<Queue<Bits<1>>> =
            Arc::new(PushQueue::with_parts(Config::new(2), Bits, NoSignal));
        let leaver = queue.register_with(Lane::Normal, [1]).unwrap();
        queue.register_with(Lane::Normal, [2]).unwrap();
        race((
            on(&queue, |queue| push_batch(queue)),
            on(&queue, move |queue| queue.unregister(leaver).unwrap()),
        ));
        drain(&queue, |_| ());
        assert_eq!((queue.clients(), queue.permits_held()), (1, 0));
    });
}
