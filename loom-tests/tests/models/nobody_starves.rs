//! 7. Nobody starves: a client that is dirtied again goes behind those that wait already, and
//!    urgent work delays normal work by a bounded ratio.

use std::sync::Arc;

use crate::model::{Queue, explore, on, race};
use pushlane::backlog::{Backlog, Dirty};
use pushlane::ready::{Fifo, ReadySet, Sweep, WithBanks};
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, SLOTS, Target};

fn push<B: Backlog, R: ReadySet>(queue: &Arc<Queue<B, R>>) -> ClientKey {
    let lease = queue.try_lease().expect("somebody waits");
    let client = lease.key();
    lease.complete();
    client
}

/// One client is dirtied again at any moment, while the other one waits. The first gets at most two
/// leases meanwhile: one in the turn in progress, and one in its bank's turn before the other's.
fn a_waiting_client_is_served<R: WithBanks + Send + Sync + 'static>(waits_in_bank: usize) {
    explore(3, move || {
        let clients = waits_in_bank * SLOTS + 2;
        let queue: Arc<Queue<Dirty, R>> =
            Arc::new(PushQueue::with_parts(Config::new(clients), Dirty, NoSignal));
        let keys: Vec<_> = (0..clients).map(|_| queue.register().unwrap()).collect();
        let (eager, waiting) = (keys[0], keys[clients - 1]);
        queue.publish(Target::One(eager), Lane::Normal, ()).unwrap();
        queue.publish(Target::One(waiting), Lane::Normal, ()).unwrap();
        race((
            on(&queue, move |queue| {
                for _ in 0..2 {
                    queue.publish(Target::One(eager), Lane::Normal, ()).unwrap();
                }
            }),
            on(&queue, move |queue| {
                let passed_over = (0..3).take_while(|_| push(queue) != waiting).count();
                assert!(passed_over < 3, "passed over");
            }),
        ));
    });
}

#[test]
fn nobody_starves_beside_a_neighbour() {
    a_waiting_client_is_served::<Sweep>(0);
}

#[test]
fn nobody_starves_in_another_bank() {
    a_waiting_client_is_served::<Sweep>(1);
}

#[test]
fn nobody_starves_in_order_of_arrival() {
    a_waiting_client_is_served::<Fifo>(1);
}

/// With a ratio of 1, at most every second lease is urgent while normal work waits.
#[test]
fn nobody_starves_behind_urgent_work() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2).urgent_ratio(1)));
        let [urgent, normal] = [(); 2].map(|()| queue.register().unwrap());
        queue.publish(Target::One(urgent), Lane::Urgent, ()).unwrap();
        queue.publish(Target::One(normal), Lane::Normal, ()).unwrap();
        race((
            on(&queue, move |queue| {
                for _ in 0..2 {
                    queue.publish(Target::One(urgent), Lane::Urgent, ()).unwrap();
                }
            }),
            on(&queue, move |queue| {
                assert!([push(queue), push(queue)].contains(&normal));
            }),
        ));
    });
}
