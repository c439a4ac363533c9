//! A publish to a topic that is made on demand: it raises the topic's fan-out, and whoever serves makes the
//! marks, while clients come to the topic and leave it.

mod model;

use std::sync::Arc;

use loom::future::block_on;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use model::{Bell, Queue, drain, explore, lease_or_sleep, on, pause, race};
use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Silent, Target, Topic, Version};

const TOPIC: Topic = Topic(0);
const SCOPE: Target<'_> = Target::Topics(Scope::any(&[TOPIC]));

fn config(clients: usize) -> Config {
    Config::new(clients).topics(1).on_demand_from(0)
}

/// A queue with one client, what two publishers have to say, and what of it the client has been told.
struct World {
    queue: Queue<Dirty>,
    client: ClientKey,
    news: [AtomicUsize; 2],
    told: [AtomicUsize; 2],
    /// The first publish has been made.
    made: AtomicUsize,
}

impl World {
    fn with_client(register: impl FnOnce(&Queue<Dirty>) -> ClientKey) -> Arc<World> {
        let queue = PushQueue::with_parts(config(1), Dirty, Silent);
        let client = register(&queue);
        let none = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (news, told) = (none(), none());
        Arc::new(World { queue, client, news, told, made: AtomicUsize::new(0) })
    }

    fn with_member() -> Arc<World> {
        World::with_client(|queue| {
            let client = queue.register().unwrap();
            queue.subscribe(client, TOPIC).unwrap();
            client
        })
    }

    /// The client has left the topic, and is queued.
    fn with_leaver() -> Arc<World> {
        World::with_client(|queue| {
            let client = queue.register_with(Lane::Normal, ()).unwrap();
            queue.subscribe(client, TOPIC).unwrap();
            queue.unsubscribe(client, TOPIC).unwrap();
            client
        })
    }

    fn publish(&self, who: usize) -> Version {
        self.news[who].store(1, Relaxed);
        self.queue.publish(SCOPE, Lane::Normal, ()).unwrap()
    }

    fn push(&self) -> Option<[usize; 2]> {
        let lease = self.queue.try_lease()?;
        let seen = [0, 1].map(|who| self.news[who].load(Relaxed));
        for (seen, told) in seen.iter().zip(&self.told) {
            if *seen == 1 {
                told.store(1, Relaxed);
            }
        }
        pause();
        lease.complete();
        Some(seen)
    }

    fn check(&self, version: Version, who: usize) {
        if self.queue.is_converged(version) {
            assert_eq!(self.told[who].load(Relaxed), 1, "converged, and not delivered");
        }
    }
}

/// The worker's visit has begun, or has not, when the topic is raised again; or it has ended, and the worker is
/// about to take the topic out of those that are due.
#[test]
fn a_topic_is_seen_although_a_visit_is_being_made() {
    explore(2, || {
        let world = World::with_member();
        world.publish(1);
        let (_, seen) =
            race((on(&world, |world| world.publish(0)), on(&world, |world| world.push())));
        if world.queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after the publish");
        }
    });
}

/// A visit that has nobody to mark ends, and the topic is about to be taken out when it is raised again.
#[test]
fn a_topic_is_found_although_it_is_being_taken_out() {
    explore(2, || {
        let world = World::with_member();
        world.publish(1);
        // Leased for another reason, so the visit passes the client over.
        world.queue.publish(Target::One(world.client), Lane::Normal, ()).unwrap();
        assert_eq!(world.push(), Some([0, 1]));
        race((on(&world, |world| world.publish(0)), on(&world, |world| world.push())));
        drain(&world.queue, |()| world.told[0].store(1, Relaxed));
        assert_eq!(world.told[0].load(Relaxed), 1, "published, and not told");
    });
}

/// Two publishers raise a topic that is not due, or is: one of them puts it in.
#[test]
fn two_publishes_to_a_topic_are_found() {
    explore(2, || {
        let world = World::with_member();
        race((on(&world, |world| world.publish(0)), on(&world, |world| world.publish(1))));
        assert_eq!(world.push(), Some([1, 1]));
        assert!(world.queue.try_lease().is_none());
    });
}

/// The first of two publishers is about to put the topic in: the second one's publish is found nevertheless.
#[test]
fn a_publish_is_found_while_another_one_is_being_made() {
    explore(1, || {
        let world = World::with_member();
        race((
            on(&world, |world| world.publish(0)),
            on(&world, |world| {
                world.publish(1);
                world.push().expect("published");
            }),
        ));
    });
}

/// The gate is passed before the fan-out is raised: a visit finds the new member, or the member sees what was
/// true before the publish.
#[test]
fn a_subscriber_misses_nothing_of_a_visit() {
    explore(1, || {
        let world = World::with_client(|queue| queue.register().unwrap());
        let (version, read, _) = race((
            on(&world, |world| world.publish(0)),
            on(&world, |world| {
                world.queue.subscribe(world.client, TOPIC).unwrap();
                world.news[0].load(Relaxed)
            }),
            on(&world, |world| world.push()),
        ));
        let later = drain(&world.queue, |()| ());
        let told = world.told[0].load(Relaxed) == 1 || later > 0;
        assert!(read == 1 || told, "neither read nor told");
        assert!(world.queue.is_converged(version));
    });
}

/// As above, and the visit is the publisher's own.
#[test]
fn a_subscriber_misses_nothing_of_the_publishers_visit() {
    explore(2, || {
        let world = World::with_client(|queue| queue.register().unwrap());
        let (_, read) = race((
            on(&world, |world| {
                world.publish(0);
                world.push();
            }),
            on(&world, |world| {
                world.queue.subscribe(world.client, TOPIC).unwrap();
                world.news[0].load(Relaxed)
            }),
        ));
        let later = drain(&world.queue, |()| ());
        let told = world.told[0].load(Relaxed) == 1 || later > 0;
        assert!(read == 1 || told, "neither read nor told");
    });
}

/// As above, and nobody visits before both are done.
#[test]
fn a_subscriber_misses_nothing_of_a_late_visit() {
    explore(3, || {
        let world = World::with_client(|queue| queue.register().unwrap());
        let (version, read) = race((
            on(&world, |world| world.publish(0)),
            on(&world, |world| {
                world.queue.subscribe(world.client, TOPIC).unwrap();
                world.news[0].load(Relaxed)
            }),
        ));
        let reached = drain(&world.queue, |()| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
        assert!(world.queue.is_converged(version));
    });
}

#[test]
fn a_topic_does_not_converge_early_on_demand() {
    explore(1, || {
        let world = World::with_member();
        let (version, _) = race((
            on(&world, |world| {
                let version = world.publish(0);
                pause();
                world.check(version, 0);
                version
            }),
            on(&world, |world| world.push()),
        ));
        drain(&world.queue, |()| ());
        assert!(world.queue.is_converged(version));
    });
}

/// The client leaves the topic between the publish and the visit.
#[test]
fn who_leaves_before_the_visit_is_told() {
    explore(2, || {
        let world = World::with_member();
        let version = world.publish(0);
        race((
            on(&world, |world| world.queue.unsubscribe(world.client, TOPIC).unwrap()),
            on(&world, move |world| {
                world.push();
                world.check(version, 0);
            }),
        ));
        drain(&world.queue, |()| assert!(!world.queue.is_converged(version)));
        assert!(world.queue.is_converged(version));
    });
}

/// The push that forgets the topic is in progress: what is published by its end reaches the client, although
/// no visit will find it in the row.
#[test]
fn who_is_about_to_be_forgotten_is_told() {
    explore(2, || {
        let world = World::with_leaver();
        let (version, (seen, made)) = race((
            on(&world, |world| {
                let version = world.publish(0);
                world.made.store(1, Release);
                version
            }),
            on(&world, |world| {
                let lease = world.queue.try_lease().expect("queued");
                let seen = world.news[0].load(Relaxed);
                pause();
                let made = world.made.load(Acquire);
                lease.complete();
                (seen, made)
            }),
        ));
        let told = drain(&world.queue, |()| ());
        assert!(made == 0 || seen == 1 || told == 1, "published to a member, and not told");
        assert!(world.queue.is_converged(version));
    });
}

#[test]
fn a_topic_that_is_being_left_does_not_converge_early_on_demand() {
    explore(1, || {
        let world = World::with_leaver();
        race((
            on(&world, |world| {
                let version = world.publish(0);
                pause();
                if world.queue.is_converged(version) {
                    assert_eq!(world.told[1].load(Relaxed), 1, "converged, and not delivered");
                }
            }),
            on(&world, |world| {
                let lease = world.queue.try_lease().expect("queued");
                world.told[1].store(1, Relaxed);
                pause();
                lease.complete();
            }),
        ));
        assert!(drain(&world.queue, |()| ()) <= 1);
    });
}

/// A topic without members, and one whose member leaves the queue.
#[test]
fn a_topic_converges_without_who_has_left() {
    explore(2, || {
        let world = World::with_member();
        let (version, _) = race((
            on(&world, |world| world.publish(0)),
            on(&world, |world| world.queue.unregister(world.client).unwrap()),
        ));
        assert!(world.queue.is_converged(version));
        assert!(world.queue.try_lease().is_none());
    });
}

/// Whoever finds the queue drained has seen every publish that was accepted.
#[test]
fn drained_is_not_said_before_a_topic_is_delivered() {
    explore(2, || {
        let world = World::with_member();
        let (published, (drained, pushes)) = race((
            on(&world, |world| world.queue.publish(SCOPE, Lane::Normal, ()).is_ok()),
            on(&world, |world| {
                world.queue.close();
                let mut pushes = 0;
                for _ in 0..2 {
                    pause();
                    if world.queue.is_drained() {
                        return (true, pushes);
                    }
                    pushes += drain(&world.queue, |()| ());
                }
                (false, pushes)
            }),
        ));
        assert!(!published || !drained || pushes == 1, "drained, and not delivered");
        drain(&world.queue, |()| ());
        assert!(world.queue.is_drained(), "also after a refused publish has marked the client");
    });
}

/// Whoever looks while another worker is taking the topic out sees that it is due again.
#[test]
fn drained_is_not_said_while_a_topic_is_put_back() {
    explore(2, || {
        let world = World::with_member();
        world.publish(1);
        world.queue.publish(Target::One(world.client), Lane::Normal, ()).unwrap();
        // The one for itself, which contains the topic's: the visit that is due will mark nobody.
        assert_eq!(world.push(), Some([0, 1]));
        race((
            on(&world, |world| world.push()),
            on(&world, |world| {
                world.publish(0);
                pause();
                world.queue.close();
                if world.queue.is_drained() {
                    assert_eq!(world.told[0].load(Relaxed), 1, "drained, and not delivered");
                }
            }),
        ));
        drain(&world.queue, |()| ());
        assert!(world.queue.is_drained());
    });
}

#[test]
fn a_publish_to_a_topic_is_heard() {
    explore(2, || {
        let queue: Arc<Queue<Dirty, Sweep, Bell>> =
            Arc::new(PushQueue::with_parts(config(1), Dirty, Bell::default()));
        queue.subscribe(queue.register().unwrap(), TOPIC).unwrap();
        race((
            on(&queue, |queue| lease_or_sleep(queue).complete()),
            on(&queue, |queue| {
                queue.publish(SCOPE, Lane::Normal, ()).unwrap();
            }),
        ));
    });
}

/// A drain that nobody is told of is a deadlock, and loom says so.
fn drains(members: usize) {
    explore(2, move || {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(config(1)));
        for _ in 0..members {
            queue.subscribe(queue.register().unwrap(), TOPIC).unwrap();
        }
        race((
            on(&queue, |queue| queue.publish(SCOPE, Lane::Normal, ()).is_ok()),
            on(&queue, move |queue| {
                queue.close();
                // Without members nobody need serve.
                while members > 0
                    && let Some(lease) = block_on(queue.next())
                {
                    lease.complete();
                }
                block_on(queue.drained());
            }),
        ));
    });
}

#[test]
fn a_drain_without_members_is_heard() {
    drains(0);
}

#[test]
fn a_drain_with_a_member_is_heard() {
    drains(1);
}

/// A client that subscribes behind the visit is never marked, and holds the version back until the visit ends:
/// whoever waits for it hears of that.
#[test]
fn who_comes_too_late_does_not_hold_a_version_back_for_ever() {
    explore(2, || {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(config(1)));
        let client = queue.register().unwrap();
        let version = queue.publish(SCOPE, Lane::Normal, ()).unwrap();
        race((
            on(&queue, |queue| {
                while let Some(lease) = queue.try_lease() {
                    lease.complete();
                }
            }),
            on(&queue, move |queue| {
                queue.subscribe(client, TOPIC).unwrap();
                block_on(queue.converged(version));
            }),
        ));
    });
}
