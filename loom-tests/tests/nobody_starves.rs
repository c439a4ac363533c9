//! 7. Nobody starves: a client that is dirtied again goes behind those that wait already, and urgent work
//!    delays normal work by a bounded ratio.

mod model;

use std::sync::Arc;

use loom::thread;
use model::explore;
use pushlane::backlog::Dirty;
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, SLOTS, Silent, Target, storage::Heap};

/// One client is dirtied again whenever it may hurt, the other one waits. Two leases at most go to the
/// first: one in a turn that was going on, one in a turn of its bank before the other's.
fn the_one_who_waits_is_served<R: WithBanks + Send + Sync + 'static>(waits_in_bank: usize) {
    explore(3, move || {
        let clients = waits_in_bank * SLOTS + 2;
        let queue: Arc<PushQueue<Dirty, Heap, R>> =
            Arc::new(PushQueue::with_parts(Config::new(clients), Dirty, Silent));
        let keys: Vec<_> = (0..clients).map(|_| queue.register().unwrap()).collect();
        let (eager, waiting) = (keys[0], keys[clients - 1]);
        queue.publish(Target::One(eager), Lane::Normal, ()).unwrap();
        queue.publish(Target::One(waiting), Lane::Normal, ()).unwrap();

        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                for _ in 0..2 {
                    queue.publish(Target::One(eager), Lane::Normal, ()).unwrap();
                }
            }
        });
        let mut turns = 0;
        loop {
            let lease = queue.try_lease().expect("somebody waits");
            turns += 1;
            let client = lease.key();
            lease.complete();
            if client == waiting {
                break;
            }
            assert!(turns < 3, "passed over");
        }
        publisher.join().unwrap();
    });
}

#[test]
fn nobody_starves_beside_a_neighbour() {
    the_one_who_waits_is_served::<Sweep>(0);
}

#[test]
fn nobody_starves_in_another_bank() {
    the_one_who_waits_is_served::<Sweep>(1);
}

#[test]
fn nobody_starves_in_order_of_arrival() {
    the_one_who_waits_is_served::<Fifo>(1);
}

/// With a ratio of 1, at most every second lease is urgent while normal work waits.
#[test]
fn nobody_starves_behind_urgent_work() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2).urgent_ratio(1)));
        let [urgent, normal] = [(); 2].map(|()| queue.register().unwrap());
        queue.publish(Target::One(urgent), Lane::Urgent, ()).unwrap();
        queue.publish(Target::One(normal), Lane::Normal, ()).unwrap();
        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                for _ in 0..2 {
                    queue.publish(Target::One(urgent), Lane::Urgent, ()).unwrap();
                }
            }
        });
        let first_two = [(); 2].map(|()| {
            let lease = queue.try_lease().expect("somebody waits");
            let client = lease.key();
            lease.complete();
            client
        });
        assert!(first_two.contains(&normal));
        publisher.join().unwrap();
    });
}
