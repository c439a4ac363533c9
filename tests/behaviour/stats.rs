//! `stats`, and the short ways to name a target and to set a client's topics.

use pushlane::backlog::Bits;
use pushlane::{Config, Lane, PushQueue, SubscribeError, Target, Topic};

fn queue() -> PushQueue<Bits<1>> {
    PushQueue::new(Config::new(40).topics(5).permits(3))
}

#[test]
fn stats_follow_a_push_from_publish_to_completion() {
    let queue = queue();
    let clients: Vec<_> = (0..20).map(|_| queue.register().unwrap()).collect();
    for (number, &client) in clients.iter().enumerate() {
        let lane = if number < 5 { Lane::Urgent } else { Lane::Normal };
        queue.publish(client, lane, [1]).unwrap();
        // A client in both lanes counts once, as urgent.
        queue.publish(client, Lane::Normal, [2]).unwrap();
    }
    let stats = queue.stats();
    assert_eq!((stats.clients, stats.capacity, stats.permits), (20, 40, 3));
    assert_eq!((stats.urgent, stats.normal, stats.waiting()), (5, 15, 20));
    assert_eq!((stats.in_progress, stats.permits_held, stats.closed), (0, 0, false));

    let mut leases: Vec<_> = (0..3).map(|_| queue.try_lease().unwrap()).collect();
    leases[0].release_permit();
    let stats = queue.stats();
    assert_eq!((stats.waiting(), stats.in_progress, stats.permits_held), (17, 3, 2));
    queue.publish(leases[0].key(), Lane::Urgent, [4]).unwrap();
    let more = queue.stats();
    assert_eq!((more.urgent, more.in_progress), (stats.urgent + 1, 3), "it waits as well");
    assert_eq!((stats.busy, more.busy), (20, 20), "each once");

    let mut leases = leases.into_iter();
    leases.next().unwrap().complete();
    leases.next().unwrap().requeue();
    queue.unregister(leases.as_slice()[0].key()).unwrap();
    queue.close();
    let stats = queue.stats();
    assert_eq!((stats.waiting(), stats.in_progress, stats.closed), (19, 0, true));
}

#[test]
fn set_topics_leaves_exactly_these() {
    let queue = queue();
    let (client, neighbour) = (queue.register().unwrap(), queue.register().unwrap());
    queue.set_topics(neighbour, &[Topic(0), Topic(1)]).unwrap();
    let reached = || {
        // What was left is forgotten with a push.
        queue.publish(client, Lane::Normal, [1]).unwrap();
        while let Some(lease) = queue.try_lease() {
            lease.complete();
        }
        let is_member = |&topic: &u32| {
            queue.publish(Topic(topic), Lane::Normal, [1]).unwrap();
            let mut found = false;
            while let Some(lease) = queue.try_lease() {
                found |= lease.key() == client;
                lease.complete();
            }
            found
        };
        (0..5).filter(is_member).collect::<Vec<_>>()
    };
    for topics in [&[0, 1, 2][..], &[2, 4, 4], &[], &[0, 1, 2, 3, 4], &[3]] {
        let topics: Vec<_> = topics.iter().map(|&topic| Topic(topic)).collect();
        queue.set_topics(client, &topics).unwrap();
        let mut expected: Vec<_> = topics.iter().map(|topic| topic.0).collect();
        expected.dedup();
        assert_eq!(reached(), expected);
    }
    let refused = queue.set_topics(client, &[Topic(1), Topic(5)]);
    assert_eq!(refused, Err(SubscribeError::UnknownTopic(Topic(5))));
    assert_eq!(reached(), [3], "nothing has changed");
    queue.unregister(client).unwrap();
    assert_eq!(queue.set_topics(client, &[]), Err(SubscribeError::Stale));
    queue.publish(Target::from(Topic(0)), Lane::Normal, [1]).unwrap();
    assert_eq!(queue.try_lease().unwrap().key(), neighbour, "its topics stay");
}
