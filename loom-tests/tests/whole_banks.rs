//! Publishers mark whole banks, and whoever comes to a bank carries that down into its word. (`explore` lets a single bank be
//! enough, because of this file's name.)

mod model;

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::Relaxed;
use model::{Bell, Queue, drain, explore, lease_or_sleep, on, pause, race};
use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Signal, Silent, Target, Topic, Version};

const TOPIC: Topic = Topic(0);
const ALL: Target<'_> = Target::Topics(Scope::any(&[TOPIC]));

/// A queue whose clients are all members.
fn queue_with_members<N: Signal + Default>(
    members: usize,
) -> (Queue<Dirty, Sweep, N>, Vec<ClientKey>) {
    let config = Config::new(members).topics(1).on_demand_from(usize::MAX);
    let queue = PushQueue::with_parts(config, Dirty, N::default());
    let join = |_| {
        let client = queue.register().unwrap();
        queue.subscribe(client, TOPIC).unwrap();
        client
    };
    let clients = (0..members).map(join).collect();
    (queue, clients)
}

/// What two publishers have to say, and what of it the clients have been told.
struct World {
    queue: Queue<Dirty>,
    news: [AtomicUsize; 2],
    told: [AtomicUsize; 2],
}

impl World {
    fn with_members(members: usize) -> Arc<World> {
        let (queue, _) = queue_with_members::<Silent>(members);
        let none = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (news, told) = (none(), none());
        Arc::new(World { queue, news, told })
    }

    fn publish(&self, who: usize, lane: Lane) -> Version {
        self.news[who].store(1, Relaxed);
        self.queue.publish(ALL, lane, ()).unwrap()
    }

    /// How many pushes there were: one at most.
    fn push(&self) -> usize {
        let Some(lease) = self.queue.try_lease() else { return 0 };
        for (news, told) in self.news.iter().zip(&self.told) {
            if news.load(Relaxed) == 1 {
                told.store(1, Relaxed);
            }
        }
        pause();
        lease.complete();
        1
    }

    fn told(&self) -> [usize; 2] {
        [0, 1].map(|who| self.told[who].load(Relaxed))
    }

    fn publish_and_check(&self) -> Version {
        let version = self.publish(0, Lane::Normal);
        pause();
        if self.queue.is_converged(version) {
            assert_eq!(self.told()[0], 1, "converged, and not delivered");
        }
        version
    }
}

#[test]
fn a_mark_of_a_whole_bank_does_not_converge_early() {
    explore(2, || {
        let world = World::with_members(1);
        let (version, _) =
            race((on(&world, |world| world.publish_and_check()), on(&world, |world| world.push())));
        while world.push() > 0 {}
        assert_eq!(world.told()[0], 1, "published, and not told");
        assert!(world.queue.is_converged(version));
    });
}

/// The bank is marked again while the first mark is being carried down.
#[test]
fn a_bank_that_is_marked_while_somebody_carries_is_found() {
    explore(2, || {
        let world = World::with_members(1);
        world.publish(1, Lane::Normal);
        let (version, _) =
            race((on(&world, |world| world.publish_and_check()), on(&world, |world| world.push())));
        while world.push() > 0 {}
        assert_eq!(world.told(), [1, 1], "published, and not told");
        assert!(world.queue.is_converged(version));
    });
}

/// One of them carries. Nobody is pushed to for nothing, and both find somebody, or are told.
#[test]
fn of_two_workers_one_carries() {
    explore(2, || {
        let world = World::with_members(2);
        let version = world.publish(0, Lane::Normal);
        let (one, other) =
            race((on(&world, |world| world.push()), on(&world, |world| world.push())));
        assert!(one + other > 0);
        let rest = drain(&world.queue, |()| ());
        assert_eq!(one + other + rest, 2, "each once");
        assert!(world.queue.is_converged(version));
    });
}

/// One worker comes to the bank through the other lane. It carries both marks down, and the other one has found the bank in
/// its lane, and nobody ready in it.
#[test]
fn who_finds_nobody_while_somebody_carries_is_told() {
    explore(2, || {
        let (queue, clients) = queue_with_members::<Bell>(2);
        let queue = Arc::new(queue);
        queue.publish(ALL, Lane::Normal, ()).unwrap();
        queue.publish(Target::One(clients[0]), Lane::Urgent, ()).unwrap();
        let (one, other) = race((on(&queue, lease_or_sleep), on(&queue, lease_or_sleep)));
        assert_ne!(one.key(), other.key());
    });
}

/// Two lanes, two publishers, two words that a worker looks at.
#[test]
fn marks_in_both_lanes_are_one_push() {
    explore(2, || {
        let world = World::with_members(1);
        race((
            on(&world, |world| world.publish(0, Lane::Urgent)),
            on(&world, |world| world.publish(1, Lane::Normal)),
        ));
        assert_eq!(drain(&world.queue, |()| ()), 1);
    });
}

#[test]
fn drained_is_not_said_before_a_mark_of_a_whole_bank_is_delivered() {
    explore(2, || {
        let world = World::with_members(1);
        let (published, (drained, pushes)) = race((
            on(&world, |world| world.queue.publish(ALL, Lane::Normal, ()).is_ok()),
            on(&world, |world| {
                world.queue.close();
                pause();
                let drained = world.queue.is_drained();
                (drained, drain(&world.queue, |()| ()))
            }),
        ));
        assert!(!published || !drained || pushes == 0, "drained, and not delivered");
        drain(&world.queue, |()| ());
        assert!(world.queue.is_drained());
    });
}
