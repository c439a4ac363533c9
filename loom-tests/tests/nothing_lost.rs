//! 1. Nothing lost: what is published to a live client is contained in a lease that begins after the
//!    publish, until a lease that contains it completes, or the client leaves.

mod model;

use std::sync::Arc;

use loom::thread;
use model::{Queue, drain, explore};
use pushlane::backlog::Bits;
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, Silent, Target};

/// Two publishers and a worker; whatever the worker did not complete must still be there.
fn publishers_race_a_worker<R: WithBanks + Send + Sync + 'static>(
    preemptions: usize,
    completes: bool,
) {
    explore(preemptions, move || {
        let queue: Arc<Queue<Bits<1>, R>> =
            Arc::new(PushQueue::with_parts(Config::new(1), Bits, Silent));
        let client = queue.register_with(Lane::Normal, [1]).unwrap();

        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.publish(Target::One(client), Lane::Normal, [2]).unwrap();
            }
        });
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let Some(lease) = queue.try_lease() else { return 0 };
                let [flags] = *lease.request();
                if completes {
                    lease.complete();
                    flags
                } else {
                    lease.requeue();
                    0
                }
            }
        });
        queue.publish(Target::Everyone, Lane::Urgent, [4]).unwrap();

        publisher.join().unwrap();
        let mut delivered = worker.join().unwrap();
        drain(&queue, |[flags]| {
            assert_eq!(delivered & flags, 0, "delivered twice");
            delivered |= flags;
        });
        assert_eq!(delivered, 7);
    });
}

#[test]
fn nothing_lost_while_a_lease_completes() {
    publishers_race_a_worker::<Sweep>(2, true);
}

#[test]
fn nothing_lost_while_a_lease_is_requeued() {
    publishers_race_a_worker::<Sweep>(2, false);
}

#[test]
fn nothing_lost_in_order_of_arrival() {
    publishers_race_a_worker::<Fifo>(2, true);
}

/// Two workers: one must not take away what the other one's client is still to be sent.
#[test]
fn nothing_lost_between_two_workers() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        let serve = |queue: &Queue<Bits<1>>| {
            let Some(lease) = queue.try_lease() else { return 0 };
            let [flags] = *lease.request();
            lease.complete();
            flags
        };
        let workers = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || serve(&queue))
        });
        queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();

        let mut delivered = 0;
        for worker in workers {
            delivered += worker.join().unwrap();
        }
        drain(&queue, |[flags]| delivered += flags);
        assert_eq!(delivered, 3, "each flag exactly once");
    });
}
