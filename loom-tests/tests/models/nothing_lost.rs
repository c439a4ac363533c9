//! 1. Nothing lost: what is published to a live client is contained in a lease that begins after
//!    the publish, until a lease that contains it completes, or the client leaves.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, quick_or, race};
use pushlane::backlog::{Bits, Dirty};
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, NoSignal, PushQueue, SLOTS, Target};

/// Two publishers and a worker: what the worker did not complete is still pending.
fn publishers_race_a_worker<R: WithBanks + Send + Sync + 'static>(completes: bool) {
    explore(quick_or(2, 1), move || {
        let queue: Arc<Queue<Bits<1>, R>> =
            Arc::new(PushQueue::with_parts(Config::new(1), Bits, NoSignal));
        let client = queue.register_with(Lane::Normal, [1]).unwrap();

        let (_, _, mut delivered) = race((
            on(&queue, move |queue| {
                queue.publish(Target::One(client), Lane::Normal, [2]).unwrap();
            }),
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Urgent, [4]).unwrap();
            }),
            on(&queue, move |queue| {
                let Some(lease) = queue.try_lease() else { return 0 };
                let [flags] = *lease.request();
                pause();
                if completes {
                    lease.complete();
                    flags
                } else {
                    lease.requeue();
                    0
                }
            }),
        ));
        drain(&queue, |[flags]| delivered += flags);
        assert_eq!(delivered, 7, "each request once");
    });
}

#[test]
fn nothing_lost_while_a_lease_completes() {
    publishers_race_a_worker::<Sweep>(true);
}

#[test]
fn nothing_lost_while_a_lease_is_requeued() {
    publishers_race_a_worker::<Sweep>(false);
}

#[test]
fn nothing_lost_in_order_of_arrival() {
    publishers_race_a_worker::<Fifo>(true);
}

/// A client that is marked while none waits joins the turn in progress or begins one, whatever
/// becomes of that turn meanwhile.
fn a_client_that_joins_a_turn_is_served(second: usize) {
    explore(2, move || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(second + 1)));
        let keys: Vec<_> = (0..=second).map(|_| queue.register().unwrap()).collect();
        let clients = [keys[0], keys[second]];
        let publish = |queue: &Arc<Queue<Dirty>>, client| {
            queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        };
        publish(&queue, clients[0]);
        let (mut served, ..) = race((
            on(&queue, |queue| {
                let lease = queue.try_lease().expect("the first waits");
                let client = lease.key();
                lease.complete();
                vec![client]
            }),
            on(&queue, move |queue| publish(queue, clients[0])),
            on(&queue, move |queue| publish(queue, clients[1])),
        ));
        while let Some(lease) = queue.try_lease() {
            served.push(lease.key());
            lease.complete();
        }
        assert!(clients.iter().all(|client| served.contains(client)), "{served:?}");
        assert_eq!(queue.waiting(), 0, "nobody is left behind");
    });
}

#[test]
fn nothing_lost_of_a_neighbour_that_joins_a_turn() {
    a_client_that_joins_a_turn_is_served(1);
}

#[test]
fn nothing_lost_of_a_client_that_can_not_join_a_turn() {
    a_client_that_joins_a_turn_is_served(SLOTS);
}

/// Two workers (and one switch, because two take a minute): one must not take away what the other
/// one's client is still to be sent.
#[test]
fn nothing_lost_between_two_workers() {
    explore(1, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        fn serve(queue: &Arc<Queue<Bits<1>>>) -> u32 {
            let Some(lease) = queue.try_lease() else { return 0 };
            let [flags] = *lease.request();
            pause();
            lease.complete();
            flags
        }
        let (one, other, _) = race((
            on(&queue, serve),
            on(&queue, serve),
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();
            }),
        ));
        let mut delivered = one + other;
        drain(&queue, |[flags]| delivered += flags);
        assert_eq!(delivered, 3, "each request once");
    });
}
