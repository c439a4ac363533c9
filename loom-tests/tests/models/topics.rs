//! Subscriptions that change during publishes and pushes.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, quick_or, race};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic, Version};

const TOPIC: Topic = Topic(0);
const OTHER: Topic = Topic(1);

/// A queue, and something that is written before a subscription changes.
struct World {
    queue: Queue<Dirty>,
    state: AtomicUsize,
}

impl World {
    fn new(clients: usize) -> Arc<World> {
        let queue = PushQueue::new(Config::new(clients).topics(2));
        Arc::new(World { queue, state: AtomicUsize::new(0) })
    }

    fn publish(&self, topic: Topic) -> Version {
        self.publish_scope(Scope::any(&[topic]))
    }

    fn publish_scope(&self, scope: Scope<'_>) -> Version {
        self.queue.publish(Target::Topics(scope), Lane::Normal, ()).unwrap()
    }

    /// Whether the push saw the state, if there was one.
    fn push(&self) -> Option<usize> {
        let lease = self.queue.try_lease()?;
        let seen = self.state.load(Relaxed);
        pause();
        lease.complete();
        Some(seen)
    }
}

/// The gate: the publisher finds the new member, or the member sees what was true before the
/// publish.
fn a_subscriber_misses_nothing(before: &'static [Topic], scope: Scope<'static>, topic: Topic) {
    explore(3, move || {
        let world = World::new(1);
        let client = world.queue.register().unwrap();
        for &topic in before {
            world.queue.subscribe(client, topic).unwrap();
        }
        let (version, read) = race((
            on(&world, move |world| {
                world.state.store(1, Relaxed);
                world.publish_scope(scope)
            }),
            on(&world, move |world| {
                world.queue.subscribe(client, topic).unwrap();
                world.state.load(Relaxed)
            }),
        ));
        let reached = drain(&world.queue, |()| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
        assert!(world.queue.is_converged(version));
    });
}

#[test]
fn a_subscriber_to_a_topic_misses_nothing() {
    a_subscriber_misses_nothing(&[], Scope::any(&[TOPIC]), TOPIC);
}

#[test]
fn a_subscriber_to_a_filter_misses_nothing() {
    a_subscriber_misses_nothing(&[TOPIC], Scope::any(&[TOPIC]).and_any(&[OTHER]), OTHER);
}

/// A client stays reachable through what it left, until a push that knew of it has completed.
#[test]
fn what_was_left_reaches_the_client_until_a_push_that_knew() {
    explore(3, || {
        let world = World::new(1);
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        let (knew, _) = race((
            on(&world, |world| world.push().unwrap()),
            on(&world, move |world| {
                world.state.store(1, Relaxed);
                world.queue.unsubscribe(client, TOPIC).unwrap();
            }),
        ));
        world.publish(TOPIC);
        assert!(knew == 1 || drain(&world.queue, |()| ()) == 1, "forgotten, and not told");
        // Two pushes later it is out of reach for certain.
        for _ in 0..2 {
            world.queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
            drain(&world.queue, |()| ());
        }
        world.publish(TOPIC);
        assert!(world.queue.try_lease().is_none());
    });
}

/// The same for the second of two topics, left while a push begins on account of the first.
#[test]
fn what_was_left_second_reaches_the_client_until_a_push_that_knew() {
    explore(3, || {
        let world = World::new(1);
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        for topic in [TOPIC, OTHER] {
            world.queue.subscribe(client, topic).unwrap();
        }
        world.queue.unsubscribe(client, TOPIC).unwrap();
        let (knew, _) = race((
            on(&world, |world| world.push().unwrap()),
            on(&world, move |world| {
                world.state.store(1, Relaxed);
                world.queue.unsubscribe(client, OTHER).unwrap();
            }),
        ));
        world.publish(OTHER);
        assert!(knew == 1 || drain(&world.queue, |()| ()) == 1, "forgotten, and not told");
    });
}

/// A push that is given back forgets nothing.
#[test]
fn what_was_left_reaches_the_client_after_a_requeue() {
    explore(3, || {
        let world = World::new(1);
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        let (_, version) = race((
            on(&world, |world| world.queue.try_lease().expect("queued").requeue()),
            on(&world, move |world| {
                world.queue.unsubscribe(client, TOPIC).unwrap();
                let version = world.publish(TOPIC);
                pause();
                assert!(!world.queue.is_converged(version));
                version
            }),
        ));
        assert!(!world.queue.is_converged(version));
        assert_eq!(drain(&world.queue, |()| ()), 1);
        assert!(world.queue.is_converged(version));
    });
}

/// The client has left the topic, and the push that knows of it is in progress: until that has
/// ended the client is reached, so nothing that is published to the topic has converged.
#[test]
fn a_topic_that_is_being_left_does_not_converge_early() {
    explore(quick_or(3, 2), || {
        let world = World::new(1);
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        world.queue.unsubscribe(client, TOPIC).unwrap();
        race((
            on(&world, |world| {
                let version = world.publish(TOPIC);
                pause();
                if world.queue.is_converged(version) {
                    assert_eq!(world.state.load(Relaxed), 1, "converged, and not delivered");
                }
            }),
            on(&world, |world| {
                let lease = world.queue.try_lease().expect("queued");
                world.state.store(1, Relaxed);
                pause();
                lease.complete();
            }),
        ));
        assert!(drain(&world.queue, |()| ()) <= 1);
    });
}

/// A publish to a topic that the client is leaving waits for the client's next push. A caller that
/// finds it converged sees what that push did.
#[test]
fn a_topic_that_has_been_left_does_not_converge_early() {
    explore(2, || {
        let world = World::new(1);
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        world.queue.unsubscribe(client, TOPIC).unwrap();
        let lease = world.queue.try_lease().expect("queued");
        let version = world.publish(TOPIC);
        lease.complete();
        race((
            on(&world, |world| {
                let lease = world.queue.try_lease().expect("published");
                world.state.store(1, Relaxed);
                lease.complete();
            }),
            on(&world, move |world| {
                if world.queue.is_converged(version) {
                    assert_eq!(world.state.load(Relaxed), 1, "converged, and not delivered");
                }
            }),
        ));
    });
}

/// A member is told what was published before the version is found converged.
#[test]
fn a_topic_does_not_converge_early() {
    explore(3, || {
        let world = World::new(1);
        let told = Arc::new(AtomicUsize::new(0));
        let client = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        let hears = Arc::clone(&told);
        race((
            on(&world, move |world| {
                world.state.store(1, Relaxed);
                let version = world.publish(TOPIC);
                pause();
                if world.queue.is_converged(version) {
                    assert_eq!(told.load(Relaxed), 1, "converged, and not delivered");
                }
            }),
            on(&world, move |world| {
                let lease = world.queue.try_lease().expect("queued");
                hears.store(world.state.load(Relaxed), Relaxed);
                pause();
                lease.complete();
            }),
        ));
    });
}

/// Two clients of one bank change and are pushed to at once: neither takes the other's bits along.
#[test]
fn neighbours_keep_their_own_topics() {
    explore(quick_or(2, 1), || {
        let world = World::new(2);
        let stays = world.queue.register().unwrap();
        let goes = world.queue.register_with(Lane::Normal, ()).unwrap();
        world.queue.subscribe(goes, TOPIC).unwrap();
        world.queue.unsubscribe(goes, TOPIC).unwrap();
        race((
            on(&world, |world| world.push()),
            on(&world, move |world| world.queue.unregister(goes).unwrap()),
            on(&world, move |world| world.queue.subscribe(stays, TOPIC).unwrap()),
        ));
        world.publish(TOPIC);
        let lease = world.queue.try_lease().expect("it is subscribed");
        assert_eq!(lease.key(), stays);
        lease.complete();
        assert!(world.queue.try_lease().is_none());
    });
}

/// Of two clients of one bank, one leaves a topic while the other leaves it too or comes to it.
fn neighbours_change_one_topic(comes: bool) {
    explore(3, move || {
        let world = World::new(2);
        let [goes, other] = [(); 2].map(|()| world.queue.register().unwrap());
        world.queue.subscribe(goes, TOPIC).unwrap();
        if !comes {
            world.queue.subscribe(other, TOPIC).unwrap();
        }
        race((
            on(&world, move |world| world.queue.unsubscribe(goes, TOPIC).unwrap()),
            on(&world, move |world| {
                let change = if comes { PushQueue::subscribe } else { PushQueue::unsubscribe };
                change(&world.queue, other, TOPIC).unwrap();
            }),
        ));
        world.publish(TOPIC);
        assert_eq!(drain(&world.queue, |()| ()), 2, "a client that leaves is told");
        world.publish(TOPIC);
        assert_eq!(
            drain(&world.queue, |()| ()),
            usize::from(comes),
            "a client that has left is not"
        );
    });
}

#[test]
fn neighbours_leave_one_topic() {
    neighbours_change_one_topic(false);
}

#[test]
fn a_neighbour_leaves_a_topic_and_another_comes_to_it() {
    neighbours_change_one_topic(true);
}

/// One of two neighbours leaves the last row of its bank while the other comes to it, and goes too:
/// nothing of either stays for the next clients.
#[test]
fn a_client_that_comes_while_its_row_is_swept_is_found_when_it_goes() {
    explore(quick_or(2, 1), || {
        let world = World::new(2);
        let [goes, comes] = [(); 2].map(|()| world.queue.register().unwrap());
        world.queue.subscribe(goes, TOPIC).unwrap();
        race((
            on(&world, move |world| world.queue.unregister(goes).unwrap()),
            on(&world, move |world| {
                world.queue.subscribe(comes, TOPIC).unwrap();
                pause();
                world.queue.unregister(comes).unwrap();
            }),
        ));
        for _ in 0..2 {
            world.queue.register().unwrap();
        }
        world.publish(TOPIC);
        assert!(world.queue.try_lease().is_none(), "a member that never subscribed");
    });
}

/// The same for a client that stays, and is pushed to once it has unsubscribed.
#[test]
fn a_client_that_comes_while_its_row_is_swept_is_found_when_it_unsubscribes() {
    explore(quick_or(2, 1), || {
        let world = World::new(2);
        let [goes, comes] = [(); 2].map(|()| world.queue.register().unwrap());
        world.queue.subscribe(goes, TOPIC).unwrap();
        race((
            on(&world, move |world| world.queue.unregister(goes).unwrap()),
            on(&world, move |world| {
                world.queue.subscribe(comes, TOPIC).unwrap();
                pause();
                world.queue.unsubscribe(comes, TOPIC).unwrap();
                world.queue.publish(Target::One(comes), Lane::Normal, ()).unwrap();
                assert!(world.push().is_some(), "it was told");
            }),
        ));
        world.publish(TOPIC);
        assert!(world.queue.try_lease().is_none(), "it has left the topic for good");
    });
}

/// A client leaves, and the next one takes its place and subscribes: it keeps its subscription.
#[test]
fn a_subscriber_takes_a_place_that_comes_free() {
    explore(2, || {
        let world = World::new(1);
        let client = world.queue.register().unwrap();
        world.queue.subscribe(client, TOPIC).unwrap();
        let (_, came) = race((
            on(&world, move |world| world.queue.unregister(client).unwrap()),
            on(&world, |world| {
                let Ok(next) = world.queue.register() else { return false };
                world.queue.subscribe(next, TOPIC).unwrap();
                true
            }),
        ));
        world.publish(TOPIC);
        assert_eq!(drain(&world.queue, |()| ()), usize::from(came), "its own subscription");
    });
}

/// While one client leaves a group of topics that seems to be empty, another one comes to it, and
/// then to a group whose bit is in the same word.
#[test]
fn a_group_that_is_forgotten_takes_no_other_with_it() {
    explore(4, || {
        let world = World::new(2);
        let (leaving, other) = (world.queue.register().unwrap(), world.queue.register().unwrap());
        world.queue.subscribe(leaving, TOPIC).unwrap();
        race((
            on(&world, move |world| world.queue.unregister(leaving).unwrap()),
            on(&world, move |world| {
                world.queue.subscribe(other, TOPIC).unwrap();
                world.queue.subscribe(other, OTHER).unwrap();
            }),
        ));
        // Its successor is in no topic.
        world.queue.unregister(other).unwrap();
        world.queue.register().unwrap();
        world.queue.register().unwrap();
        world.publish(OTHER);
        assert_eq!(drain(&world.queue, |()| ()), 0, "subscribed by a client that has left");
    });
}
