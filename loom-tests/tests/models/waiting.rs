//! Waiting on an executor: no wake-up is lost, and a wait that is given up passes its wake-up on.
//! Loom reports a future that is never woken as a deadlock.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::model::{explore, on, quick_or, race};
use loom::future::block_on;
use pushlane::adapters::AsyncQueue;
use pushlane::backlog::{Bits, Dirty};
use pushlane::{Config, Lane, Target};

type Queue = AsyncQueue<Bits<1>>;

fn push_once(queue: &Arc<Queue>) {
    block_on(queue.next()).expect("open").complete();
}

/// Clients that are registered, and have nothing pending.
fn queue(clients: usize, permits: usize) -> Arc<Queue> {
    let queue = Queue::new(Config::new(clients).permits(permits));
    for _ in 0..clients {
        queue.register().unwrap();
    }
    Arc::new(queue)
}

fn publish(queue: &Arc<Queue>) {
    queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
}

#[test]
fn a_publish_wakes_a_waiter() {
    explore(3, || {
        let queue = queue(1, 1);
        race((on(&queue, push_once), on(&queue, publish)));
    });
}

#[test]
fn a_fan_out_wakes_a_waiter() {
    explore(2, || {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
        queue.register().unwrap();
        race((
            on(&queue, |queue| block_on(queue.next()).expect("open").complete()),
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
            }),
        ));
    });
}

/// One permit, two ready clients, two waiters.
#[test]
fn a_permit_that_comes_back_wakes_a_waiter() {
    explore(2, || {
        let queue = queue(2, 1);
        publish(&queue);
        race((on(&queue, push_once), on(&queue, push_once)));
    });
}

/// Two clients are ready, and neither of two waiters gives its lease back.
#[test]
fn two_ready_clients_wake_two_waiters() {
    explore(quick_or(2, 1), || {
        let queue = queue(2, 2);
        let (one, other) = race((
            on(&queue, |queue| block_on(Queue::next_from(Arc::clone(queue)))),
            on(&queue, |queue| {
                publish(queue);
                block_on(Queue::next_from(Arc::clone(queue)))
            }),
        ));
        let (one, other) = (one.expect("open"), other.expect("open"));
        assert_ne!(one.key(), other.key());
    });
}

/// A wait that is given up, woken or not, leaves the work to the other one.
#[test]
fn a_wait_that_is_given_up_passes_its_wake_up_on() {
    explore(1, || {
        let queue = queue(1, 1);
        race((
            on(&queue, |queue| {
                let mut wait = pin!(queue.next());
                let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(Some(lease)) = polled {
                    lease.requeue();
                }
            }),
            on(&queue, push_once),
            on(&queue, publish),
        ));
    });
}

#[test]
fn a_completion_wakes_a_waiter_for_convergence() {
    explore(3, || {
        let queue = queue(1, 1);
        let version = queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
        race((
            on(&queue, |queue| queue.try_lease().expect("queued").complete()),
            on(&queue, move |queue| block_on(queue.converged(version))),
        ));
    });
}

#[test]
fn a_client_that_leaves_wakes_a_waiter_for_convergence() {
    explore(3, || {
        let queue = Arc::new(Queue::new(Config::new(1)));
        let client = queue.register().unwrap();
        let version = queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
        race((
            on(&queue, move |queue| queue.unregister(client).unwrap()),
            on(&queue, move |queue| block_on(queue.converged(version))),
        ));
    });
}

/// Workers end when the queue is closed and drained, however the last push and the closing fall.
#[test]
fn closing_wakes_every_waiter() {
    explore(2, || {
        let queue = queue(1, 1);
        publish(&queue);
        let work = |queue: &Arc<Queue>| {
            let mut pushes = 0;
            while let Some(lease) = block_on(queue.next()) {
                lease.complete();
                pushes += 1;
            }
            pushes
        };
        let (pushes, _) = race((on(&queue, work), on(&queue, |queue| queue.close())));
        assert_eq!(pushes, 1);
    });
}

/// Two workers and a push that fails once: the one that found the queue closed waits for it.
#[test]
fn a_push_that_fails_after_closing_wakes_a_waiter() {
    explore(1, || {
        let queue = queue(1, 1);
        publish(&queue);
        queue.close();
        let lease = Queue::try_lease_from(Arc::clone(&queue)).expect("queued");
        let (pushed, _) = race((
            on(&queue, |queue| {
                let lease = block_on(queue.next()).expect("one push has failed");
                lease.complete();
                block_on(queue.next()).is_none()
            }),
            move || lease.requeue(),
        ));
        assert!(pushed);
    });
}
