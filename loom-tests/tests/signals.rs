//! No wake-up is lost: if a client can be served, a permit is free and nobody is about to look, then
//! `ready` has been called since. Loom finds the sleeper whom nobody wakes, and reports a deadlock.

mod model;

use std::sync::Arc;

use loom::thread;
use model::{Bell, Queue, explore, lease_or_sleep};
use pushlane::backlog::{Backlog, Bits, Dirty};
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, Target};

fn queue<B: Backlog + Default, R: WithBanks>(config: Config) -> Arc<Queue<B, R, Bell>> {
    Arc::new(PushQueue::with_parts(config, B::default(), Bell::default()))
}

/// A publish wakes the sleeper.
fn a_publish_is_heard<R: WithBanks + Send + Sync + 'static>() {
    explore(4, || {
        let queue = queue::<Dirty, R>(Config::new(1));
        let client = queue.register().unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn a_publish_is_heard_with_sweep() {
    a_publish_is_heard::<Sweep>();
}

#[test]
fn a_publish_is_heard_with_fifo() {
    a_publish_is_heard::<Fifo>();
}

/// A newcomer that starts with a request wakes the sleeper.
#[test]
fn a_newcomer_is_heard() {
    explore(4, || {
        let queue = queue::<Bits<1>, Sweep>(Config::new(1));
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        queue.register_with(Lane::Urgent, [1]).unwrap();
        worker.join().unwrap();
    });
}

/// What was published while the client was pushed to is heard when that push ends, however it ends.
fn an_end_is_heard(completes: bool) {
    explore(4, move || {
        let queue = queue::<Dirty, Sweep>(Config::new(1));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        queue.publish(Target::One(client), Lane::Urgent, ()).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        if completes {
            lease.complete()
        } else {
            lease.requeue()
        }
        worker.join().unwrap();
    });
}

#[test]
fn a_completion_is_heard() {
    an_end_is_heard(true);
}

#[test]
fn a_requeue_is_heard() {
    an_end_is_heard(false);
}

/// One permit, two clients, two workers: the permit that comes back wakes whoever went without.
#[test]
fn a_permit_that_comes_back_is_heard() {
    explore(2, || {
        let queue = queue::<Dirty, Sweep>(Config::new(2).permits(1));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        lease_or_sleep(&queue).complete();
        worker.join().unwrap();
    });
}

/// The same for a permit that comes back before the push ends.
#[test]
fn a_permit_released_early_is_heard() {
    explore(3, || {
        let queue = queue::<Dirty, Sweep>(Config::new(2).permits(1));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let mut slow = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        slow.release_permit();
        worker.join().unwrap();
        slow.complete();
    });
}

/// A limit that grows is permits that come back.
#[test]
fn a_limit_that_grows_is_heard() {
    explore(3, || {
        let queue = queue::<Dirty, Sweep>(Config::new(1).permits(0));
        let client = queue.register().unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            }
        });
        queue.set_limit(1);
        publisher.join().unwrap();
        worker.join().unwrap();
    });
}

/// The flicker: a permit is taken, finds no work, and goes back, while work came and whoever was told of
/// it went without the permit.
fn a_flicker_is_heard<R: WithBanks + Send + Sync + 'static>() {
    explore(2, || {
        let queue = queue::<Dirty, R>(Config::new(1).permits(1));
        let client = queue.register().unwrap();
        let visitor = thread::spawn({
            let queue = Arc::clone(&queue);
            // Gives back whatever it finds, and is gone.
            move || drop(queue.try_lease())
        });
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue).complete()
        });
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        visitor.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn a_flicker_is_heard_with_sweep() {
    a_flicker_is_heard::<Sweep>();
}

#[test]
fn a_flicker_is_heard_with_fifo() {
    a_flicker_is_heard::<Fifo>();
}

/// Two works, two workers, and each keeps what it got.
fn each_work_finds_its_worker<R: WithBanks + Send + Sync + 'static>(lanes: [Lane; 2]) {
    explore(3, move || {
        let queue = queue::<Dirty, R>(Config::new(2));
        let clients = [(); 2].map(|()| queue.register().unwrap());
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue)
        });
        for (client, lane) in clients.into_iter().zip(lanes) {
            queue.publish(Target::One(client), lane, ()).unwrap();
        }
        let mine = lease_or_sleep(&queue);
        assert_ne!(worker.join().unwrap().key(), mine.key());
    });
}

#[test]
fn each_work_finds_its_worker_in_one_lane() {
    each_work_finds_its_worker::<Sweep>([Lane::Normal; 2]);
}

#[test]
fn each_work_finds_its_worker_in_two_lanes() {
    each_work_finds_its_worker::<Sweep>([Lane::Urgent, Lane::Normal]);
}

#[test]
fn each_work_finds_its_worker_in_order_of_arrival() {
    each_work_finds_its_worker::<Fifo>([Lane::Normal; 2]);
}
