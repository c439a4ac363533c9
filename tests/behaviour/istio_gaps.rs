//! What Istio's push queue does not test, and what its users ran into.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;

use pushlane::backlog::{Dirty, Locked, Merge, Shared};
use pushlane::ready::Fifo;
use pushlane::storage::Heap;
use pushlane::{Config, Lane, NoSignal, PushQueue, SLOTS, Stale, Target};

type Keys = BTreeSet<u32>;
type InOrder<B> = PushQueue<B, Heap<Fifo>>;

fn in_order<B: pushlane::backlog::Backlog + Default>(config: Config) -> InOrder<B> {
    PushQueue::with_parts(config, B::default(), NoSignal)
}

fn keys<const N: usize>(keys: [u32; N]) -> Keys {
    Keys::from(keys)
}

#[derive(Clone, Debug, PartialEq)]
struct Push {
    start: u64,
    keys: Keys,
}

impl Merge for Push {
    fn merge(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.keys.merge(&other.keys);
    }
}

#[test]
fn a_requeued_push_goes_behind_all_who_wait() {
    let queue = in_order::<Locked<Keys>>(Config::new(3 * SLOTS));
    // Of different banks, so that the order of arrival shows.
    let all: Vec<_> = (0..3 * SLOTS).map(|_| queue.register().unwrap()).collect();
    let clients = [all[0], all[SLOTS], all[2 * SLOTS]];
    for client in &clients {
        queue.publish(Target::One(*client), Lane::Normal, keys([1])).unwrap();
    }
    let failed = queue.try_lease().unwrap();
    assert_eq!(failed.key(), clients[0]);
    failed.requeue();
    let served = [(); 3].map(|()| queue.try_lease().unwrap());
    assert_eq!(served.each_ref().map(|lease| lease.key()), [clients[1], clients[2], clients[0]]);
    assert_eq!(*served[2].request(), keys([1]));
}

#[test]
fn shutting_down_lets_pending_and_interrupted_work_drain() {
    let queue = in_order::<Locked<Keys>>(Config::new(3));
    let client = queue.register_with(Lane::Normal, keys([1])).unwrap();
    let in_progress = queue.try_lease().unwrap();
    let waiting = queue.register_with(Lane::Normal, keys([2])).unwrap();
    queue.publish(Target::One(client), Lane::Normal, keys([3])).unwrap();

    queue.close();
    assert!(queue.publish(Target::Everyone, Lane::Normal, keys([4])).is_err());
    assert!(!queue.is_drained());
    in_progress.requeue();
    let mut delivered = Vec::new();
    while let Some(lease) = queue.try_lease() {
        assert!(!queue.is_drained());
        delivered.push((lease.key(), lease.request().clone()));
        lease.complete();
    }
    delivered.sort();
    assert_eq!(delivered, [(client, keys([1, 3])), (waiting, keys([2]))]);
    assert!(queue.is_drained());
}

#[test]
fn a_push_that_ends_after_its_client_was_replaced_does_nothing_to_the_next() {
    let queue = in_order::<Locked<Keys>>(Config::new(1));
    let first = queue.register_with(Lane::Normal, keys([1])).unwrap();
    let late = queue.try_lease().unwrap();
    queue.unregister(first).unwrap();
    assert_eq!(queue.unregister(first), Err(Stale));
    assert!(queue.register().is_err(), "the place is not free while the push goes on");
    late.complete();

    let second = queue.register_with(Lane::Normal, keys([2])).unwrap();
    assert_eq!(second.index(), first.index());
    let lease = queue.try_lease().unwrap();
    assert_eq!((lease.key(), lease.request()), (second, &keys([2])));
    assert_eq!(queue.unregister(first), Err(Stale));
    assert!(queue.is_registered(second));
    assert!(queue.try_lease().is_none(), "one at a time, whichever came before");
}

#[test]
fn a_stray_second_completion_cannot_let_a_client_run_twice() {
    // `complete` consumes the lease. What is left to get wrong is the permit: released early, the
    // end of the push must not give it back once more.
    let queue = in_order::<Locked<Keys>>(Config::new(2).permits(1));
    for key in [1, 2] {
        queue.register_with(Lane::Normal, keys([key])).unwrap();
    }
    let mut sending = queue.try_lease().unwrap();
    sending.release_permit();
    sending.release_permit();
    let other = queue.try_lease().unwrap();
    sending.complete();
    assert_eq!(queue.permits_held(), 1);
    other.complete();
    assert_eq!(queue.permits_held(), 0);
}

#[test]
fn an_older_request_that_comes_back_does_not_overwrite_a_newer_one() {
    let queue = in_order::<Locked<Push>>(Config::new(1));
    let older = Push { start: 10, keys: keys([1]) };
    let client = queue.register_with(Lane::Normal, older).unwrap();
    let interrupted = queue.try_lease().unwrap();
    let newer = Push { start: 20, keys: keys([2]) };
    queue.publish(Target::One(client), Lane::Normal, newer).unwrap();
    interrupted.requeue();
    assert_eq!(*queue.try_lease().unwrap().request(), Push { start: 10, keys: keys([1, 2]) });
}

#[test]
fn the_order_of_requests_does_not_show_in_their_merge() {
    let requests = [(30, 1), (10, 2), (20, 3)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        // The push is not interrupted, after the first request or after the second one.
        for interrupted_after in [None, Some(0), Some(1)] {
            let queue = in_order::<Locked<Push>>(Config::new(1));
            let client = queue.register().unwrap();
            for (place, request) in order.into_iter().enumerate() {
                let (start, key) = requests[request];
                let push = Push { start, keys: keys([key]) };
                queue.publish(Target::One(client), Lane::Normal, push).unwrap();
                if interrupted_after == Some(place) {
                    drop(queue.try_lease().unwrap());
                }
            }
            let lease = queue.try_lease().unwrap();
            assert_eq!(*lease.request(), Push { start: 10, keys: keys([1, 2, 3]) });
        }
    }
}

#[test]
fn a_client_that_times_out_on_one_version_while_it_has_an_older_one_in_hand_gets_both() {
    // How clients were lost: one waits in a rate limiter with v1 in hand; the attempt to hand it v2
    // times out and is dropped; it wakes, finds v1 outdated and suppresses it. It stays at v0.
    let queue = in_order::<Shared<Keys>>(Config::new(1));
    let client = queue.register().unwrap();
    let v1 = queue.publish(Target::Everyone, Lane::Normal, Arc::new(keys([1]))).unwrap();
    let in_the_limiter = queue.try_lease().unwrap();

    let v2 = queue.publish(Target::Everyone, Lane::Normal, Arc::new(keys([2]))).unwrap();
    assert!(queue.try_lease().is_none(), "v2 can't be handed over now; it is not given up either");
    assert!(in_the_limiter.is_superseded());
    in_the_limiter.requeue();
    assert!(queue.laggards(v1).eq([client]) && queue.laggards(v2).eq([client]));

    let both = queue.try_lease().unwrap();
    assert_eq!(**both.request(), keys([1, 2]));
    both.complete();
    assert!(queue.is_converged(v1) && queue.is_converged(v2));
}

#[test]
fn what_is_published_while_a_client_registers_is_pushed_to_it_or_was_visible_to_it() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    const ROUNDS: u32 = 2_000;
    let queue = in_order::<Dirty>(Config::new(1));
    let (config, barrier) = (AtomicU32::new(0), Barrier::new(2));
    let mut missed = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                barrier.wait();
                config.store(round, Relaxed);
                queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
                barrier.wait();
            }
        });
        for round in 1..=ROUNDS {
            barrier.wait();
            let client = queue.register().unwrap();
            let mut known = config.load(Relaxed);
            barrier.wait();
            while let Some(lease) = queue.try_lease() {
                known = config.load(Relaxed);
                lease.complete();
            }
            // Asserted at the end: a panic here would leave the other thread at the barrier.
            missed.extend((known != round).then_some(round));
            queue.unregister(client).unwrap();
        }
    });
    assert!(missed.is_empty(), "published between register and read, never pushed: {missed:?}");
}

#[test]
fn a_client_that_hangs_costs_the_others_nothing_and_eviction_frees_it() {
    let queue = in_order::<Locked<Keys>>(Config::new(10).permits(2));
    let clients: Vec<_> = (0..10).map(|_| queue.register().unwrap()).collect();
    let version = queue.publish(Target::Everyone, Lane::Normal, keys([1])).unwrap();
    // One hangs while its push is prepared, and holds a permit; one in its send, and holds none.
    let preparing = queue.try_lease().unwrap();
    let mut sending = queue.try_lease().unwrap();
    sending.release_permit();
    let hung = [preparing.key(), sending.key()];

    let mut served = 0;
    while let Some(lease) = queue.try_lease() {
        lease.complete();
        served += 1;
    }
    assert_eq!(served, 8);
    assert!(queue.laggards(version).eq(hung));
    for client in hung {
        queue.unregister(client).unwrap();
    }
    assert!(queue.is_converged(version), "nobody waits for the evicted");
    drop((preparing, sending));
    assert_eq!((queue.permits_held(), queue.clients()), (0, 8));
    assert!(queue.try_lease().is_none(), "and their work is gone with them");
    // They reconnect and start from everything.
    for _ in hung {
        let back = queue.register_with(Lane::Normal, keys([1])).unwrap();
        assert!(!clients.contains(&back));
    }
}
