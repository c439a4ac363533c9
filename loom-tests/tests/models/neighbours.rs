//! Clients of one bank share its words: what changes for one leaves the other as it is.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, race};
use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Target, Topic};

const TOPIC: Topic = Topic(0);

/// Two clients of one topic, side by side.
fn neighbours() -> (Arc<Queue<Dirty>>, [ClientKey; 2]) {
    let queue = PushQueue::<Dirty>::new(Config::new(2).topics(1));
    let clients = [(); 2].map(|()| queue.register().unwrap());
    for client in clients {
        queue.subscribe(client, TOPIC).unwrap();
    }
    (Arc::new(queue), clients)
}

fn publish(queue: &Queue<Dirty>) {
    queue.publish(Target::Topics(Scope::any(&[TOPIC])), Lane::Normal, ()).unwrap();
}

/// How many are reached by the topic.
fn reached(queue: &Queue<Dirty>) -> usize {
    publish(queue);
    drain(queue, |()| ())
}

/// One client gets its last push through a topic that it has left, while the other one leaves that
/// topic. Each is reached at most once more.
#[test]
fn a_neighbour_leaves_beside_a_push() {
    explore(2, || {
        let (queue, [pushed, leaves]) = neighbours();
        queue.unsubscribe(pushed, TOPIC).unwrap();
        queue.publish(Target::One(pushed), Lane::Normal, ()).unwrap();
        race((
            on(&queue, |queue| queue.try_lease().expect("queued").complete()),
            on(&queue, move |queue| queue.unsubscribe(leaves, TOPIC).unwrap()),
        ));
        assert_eq!(reached(&queue), 1, "a client that leaves is told");
        assert_eq!(reached(&queue), 0, "a client that has left is not");
    });
}

/// The same while the first has more to come, so that it settles after that push.
#[test]
fn a_neighbour_leaves_beside_a_push_that_settles() {
    explore(2, || {
        let (queue, [pushed, leaves]) = neighbours();
        queue.unsubscribe(pushed, TOPIC).unwrap();
        queue.publish(Target::One(pushed), Lane::Normal, ()).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        publish(&queue);
        race((
            move || lease.complete(),
            on(&queue, move |queue| queue.unsubscribe(leaves, TOPIC).unwrap()),
        ));
        assert_eq!(drain(&queue, |()| ()), 2, "published before");
        assert_eq!(reached(&queue), 0, "a client that has left is not told");
    });
}

/// One is unregistered, the other one leaves the topic.
#[test]
fn a_neighbour_leaves_a_topic_beside_a_client_that_leaves() {
    explore(2, || {
        let (queue, [goes, leaves]) = neighbours();
        race((
            on(&queue, move |queue| queue.unregister(goes).unwrap()),
            on(&queue, move |queue| queue.unsubscribe(leaves, TOPIC).unwrap()),
        ));
        assert_eq!(reached(&queue), 1, "a client that leaves is told");
        assert_eq!(reached(&queue), 0, "a client that has left is not");
    });
}
