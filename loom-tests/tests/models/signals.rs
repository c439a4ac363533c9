//! No wake-up is lost: if a client can be served, a permit is free and no worker is about to look,
//! then `ready` has been called since. Loom reports a sleeper that is never woken as a deadlock.

use std::sync::Arc;

use crate::model::{Bell, Queue, explore, lease_or_sleep, on, quick_or, race};
use pushlane::backlog::{Backlog, Bits, Dirty};
use pushlane::ready::{Fifo, ReadySet, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, Target};

fn queue<B: Backlog + Default, R: WithBanks>(config: Config) -> Arc<Queue<B, R, Bell>> {
    Arc::new(PushQueue::with_parts(config, B::default(), Bell::default()))
}

fn push_once<B: Backlog, R: ReadySet>(queue: &Arc<Queue<B, R, Bell>>) {
    lease_or_sleep(queue).complete();
}

/// A publish wakes the sleeper.
fn a_publish_is_heard<R: WithBanks + Send + Sync + 'static>(target: Option<Target<'static>>) {
    explore(3, move || {
        let queue = queue::<Dirty, R>(Config::new(1));
        let client = queue.register().unwrap();
        race((
            on(&queue, push_once),
            on(&queue, move |queue| {
                let target = target.unwrap_or(Target::One(client));
                queue.publish(target, Lane::Normal, ()).unwrap();
            }),
        ));
    });
}

#[test]
fn a_publish_is_heard_with_sweep() {
    a_publish_is_heard::<Sweep>(None);
}

#[test]
fn a_publish_is_heard_with_fifo() {
    a_publish_is_heard::<Fifo>(None);
}

#[test]
fn a_fan_out_is_heard() {
    a_publish_is_heard::<Sweep>(Some(Target::Everyone));
}

/// A newcomer that starts with a request wakes the sleeper.
#[test]
fn a_newcomer_is_heard() {
    explore(3, || {
        let queue = queue::<Bits<1>, Sweep>(Config::new(1));
        race((
            on(&queue, push_once),
            on(&queue, |queue| {
                queue.register_with(Lane::Urgent, [1]).unwrap();
            }),
        ));
    });
}

/// What was published while the client was pushed to is heard when that push ends, however it ends.
fn an_end_is_heard(completes: bool) {
    explore(3, move || {
        let queue = queue::<Dirty, Sweep>(Config::new(1));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        race((
            on(&queue, push_once),
            move || if completes { lease.complete() } else { lease.requeue() },
        ));
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

/// One permit, two clients, two workers: the permit that comes back wakes the other worker.
#[test]
fn a_permit_that_comes_back_is_heard() {
    explore(2, || {
        let queue = queue::<Bits<1>, Sweep>(Config::new(2).permits(1));
        for _ in 0..2 {
            queue.register_with(Lane::Normal, [1]).unwrap();
        }
        race((on(&queue, push_once), on(&queue, push_once)));
    });
}

/// The same for a permit that comes back before the push ends.
#[test]
fn a_permit_released_early_is_heard() {
    explore(3, || {
        let queue = queue::<Bits<1>, Sweep>(Config::new(2).permits(1));
        for _ in 0..2 {
            queue.register_with(Lane::Normal, [1]).unwrap();
        }
        let mut slow = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        let (slow, _) = race((
            move || {
                slow.release_permit();
                slow
            },
            on(&queue, push_once),
        ));
        slow.complete();
    });
}

/// A limit that grows is permits that come back.
#[test]
fn a_limit_that_grows_is_heard() {
    explore(2, || {
        let queue = queue::<Dirty, Sweep>(Config::new(1).permits(0));
        let client = queue.register().unwrap();
        race((
            on(&queue, push_once),
            on(&queue, move |queue| {
                queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            }),
            on(&queue, |queue| {
                queue.set_permits(1);
            }),
        ));
    });
}

/// The flicker: a worker takes the permit, finds no work and gives it back. Meanwhile a client
/// became ready, and the worker that was signalled found no permit.
fn a_flicker_is_heard<R: WithBanks + Send + Sync + 'static>() {
    explore(quick_or(2, 1), || {
        let queue = queue::<Dirty, R>(Config::new(1).permits(1));
        let client = queue.register().unwrap();
        race((
            // Gives back what it finds, and ends.
            on(&queue, |queue| drop(queue.try_lease())),
            on(&queue, push_once),
            on(&queue, move |queue| {
                queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            }),
        ));
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

/// Two clients are ready, and each of two workers keeps its lease.
fn each_work_finds_its_worker<R: WithBanks + Send + Sync + 'static>(lanes: [Lane; 2]) {
    explore(2, move || {
        let queue = queue::<Dirty, R>(Config::new(2));
        let clients = [(); 2].map(|()| queue.register().unwrap());
        let (one, other) = race((
            on(&queue, lease_or_sleep),
            on(&queue, move |queue| {
                for (client, lane) in clients.into_iter().zip(lanes) {
                    queue.publish(Target::One(client), lane, ()).unwrap();
                }
                lease_or_sleep(queue)
            }),
        ));
        assert_ne!(one.key(), other.key());
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

/// A fan-out to two clients, two workers. One forced switch: two take an hour.
#[test]
fn each_client_of_a_fan_out_finds_its_worker() {
    explore(1, || {
        let queue = queue::<Dirty, Sweep>(Config::new(2));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let (one, other) = race((on(&queue, lease_or_sleep), on(&queue, lease_or_sleep)));
        assert_ne!(one.key(), other.key());
    });
}
