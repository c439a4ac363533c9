//! A publish to several topics that is made on demand: it raises the fan-out of each, takes one number, and tells it to
//! each.

mod model;

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::Relaxed;
use model::{Queue, drain, explore, on, pause, race};
use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Silent, Target, Topic, Version};

const BOTH: [Topic; 2] = [Topic(0), Topic(1)];

/// A queue with one client, what a publisher has to say, and what of it the client has been told.
struct World {
    queue: Queue<Dirty>,
    client: ClientKey,
    news: AtomicUsize,
    told: AtomicUsize,
}

impl World {
    fn with_member_of(topics: &[Topic]) -> Arc<World> {
        let config = Config::new(1).topics(2).on_demand_from(0);
        let queue = PushQueue::with_parts(config, Dirty, Silent);
        let client = queue.register().unwrap();
        topics.iter().for_each(|&topic| queue.subscribe(client, topic).unwrap());
        Arc::new(World { queue, client, news: AtomicUsize::new(0), told: AtomicUsize::new(0) })
    }

    fn publish(&self) -> Version {
        self.news.store(1, Relaxed);
        self.queue.publish(Target::Topics(Scope::any(&BOTH)), Lane::Normal, ()).unwrap()
    }

    fn push(&self) -> usize {
        let Some(lease) = self.queue.try_lease() else { return 0 };
        let seen = self.news.load(Relaxed);
        if seen == 1 {
            self.told.store(1, Relaxed);
        }
        pause();
        lease.complete();
        seen
    }
}

/// The visits to the first topic have nobody to mark, and are over first.
#[test]
fn a_publish_to_several_topics_does_not_converge_early() {
    for member_of in [&BOTH[1..], &BOTH[..1]] {
        explore(1, move || {
            let world = World::with_member_of(member_of);
            let (version, _) = race((
                on(&world, |world| {
                    let version = world.publish();
                    pause();
                    if world.queue.is_converged(version) {
                        assert_eq!(world.told.load(Relaxed), 1, "converged, and not delivered");
                    }
                    version
                }),
                on(&world, |world| world.push()),
            ));
            drain(&world.queue, |()| ());
            assert!(world.queue.is_converged(version));
        });
    }
}

/// Visited through the first topic while the publisher is about to raise the second, or to tell its number.
#[test]
fn a_member_of_several_topics_is_told() {
    explore(1, || {
        let world = World::with_member_of(&BOTH);
        let (version, seen) =
            race((on(&world, |world| world.publish()), on(&world, |world| world.push())));
        let more = drain(&world.queue, |()| ());
        assert!(seen + more >= 1, "published, and not told");
        assert!(more <= 1, "once more at most");
        assert!(world.queue.is_converged(version));
    });
}

/// Nobody serves meanwhile, and what is visited second has been told the number as well.
#[test]
fn a_member_of_several_topics_is_pushed_to_once() {
    explore(2, || {
        let world = World::with_member_of(&BOTH);
        race((
            on(&world, |world| world.publish()),
            on(&world, |world| {
                world.queue.publish(Target::One(world.client), Lane::Normal, ()).unwrap()
            }),
        ));
        assert_eq!(drain(&world.queue, |()| ()), 1);
    });
}
