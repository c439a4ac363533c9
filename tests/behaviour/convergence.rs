//! When a version counts as converged: never early, and late only where the documentation says so.

use pushlane::backlog::{Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Target, Topic};

const A: Topic = Topic(0);
const B: Topic = Topic(1);

fn queue(clients: usize) -> (PushQueue<Dirty>, Vec<ClientKey>) {
    let queue = PushQueue::new(Config::new(clients).topics(8));
    let keys = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, keys)
}

fn to(topics: &[Topic]) -> Target<'_> {
    Target::Topics(Scope::any(topics))
}

#[test]
fn a_client_that_left_the_topic_still_owes_what_reached_it_during_its_last_push() {
    let (queue, clients) = queue(1);
    queue.subscribe(clients[0], A).unwrap();
    queue.unsubscribe(clients[0], A).unwrap();
    queue.publish(Target::One(clients[0]), Lane::Normal, ()).unwrap();
    let farewell = queue.try_lease().unwrap();
    let version = queue.publish(to(&[A]), Lane::Normal, ()).unwrap();
    farewell.complete();
    assert!(!queue.is_converged(version), "it is queued, and has not had the version");
    assert!(queue.laggards(version).eq([clients[0]]));
    queue.try_lease().unwrap().complete();
    assert!(queue.is_converged(version));

    // From now on it has nothing to do with the topic, busy or not.
    queue.publish(Target::One(clients[0]), Lane::Normal, ()).unwrap();
    let version = queue.publish(to(&[A]), Lane::Normal, ()).unwrap();
    assert!(queue.is_converged(version));
}

#[test]
fn a_requeued_push_completes_nothing() {
    let (queue, clients) = queue(1);
    let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    queue.try_lease().unwrap().requeue();
    assert!(queue.laggards(version).eq([clients[0]]));
    let lease = queue.try_lease().unwrap();
    assert!(!queue.is_converged(version));
    lease.complete();
    assert!(queue.is_converged(version));
}

#[test]
fn a_push_completes_what_was_published_before_it_began_and_nothing_later() {
    let (queue, clients) = queue(1);
    let before = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let lease = queue.try_lease().unwrap();
    let during = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    lease.complete();
    assert!(queue.is_converged(before));
    assert!(queue.laggards(during).eq([clients[0]]));
}

#[test]
fn a_client_that_leaves_holds_nothing_back() {
    let (queue, clients) = queue(3);
    let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let in_progress = queue.try_lease().unwrap();
    assert!(queue.laggards(version).eq(clients.iter().copied()));
    queue.unregister(clients[1]).unwrap();
    queue.unregister(in_progress.key()).unwrap();
    assert!(queue.laggards(version).eq([clients[2]]));
    queue.try_lease().unwrap().complete();
    assert!(queue.is_converged(version), "also while a push to a departed client goes on");
    in_progress.complete();
    assert!(queue.is_converged(version));
}

#[test]
fn the_next_client_of_a_place_owes_nothing_of_its_predecessor() {
    let (queue, clients) = queue(1);
    let one = queue.publish(Target::One(clients[0]), Lane::Normal, ()).unwrap();
    let all = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    queue.unregister(clients[0]).unwrap();
    let next = queue.register_with(Lane::Normal, ()).unwrap();
    assert_eq!(next.index(), clients[0].index());
    assert!(queue.is_converged(one) && queue.is_converged(all));
    assert_eq!(queue.laggards(all).count(), 0);
}

#[test]
fn a_client_that_is_busy_with_something_else_is_not_waited_for() {
    let (queue, clients) = queue(40);
    queue.subscribe(clients[3], A).unwrap();
    queue.subscribe(clients[30], B).unwrap();
    // In another bank, at the same place there.
    queue.publish(Target::One(clients[7 + SLOTS]), Lane::Normal, ()).unwrap();
    let everyone = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let one = queue.publish(Target::One(clients[7]), Lane::Urgent, ()).unwrap();
    let some = queue.publish(to(&[A, B]), Lane::Normal, ()).unwrap();
    let nobody = queue.publish(to(&[Topic(2)]), Lane::Normal, ()).unwrap();
    assert_eq!(queue.laggards(everyone).count(), 40);
    assert!(queue.laggards(one).eq([clients[7]]));
    assert!(queue.laggards(some).eq([clients[3], clients[30]]));
    assert!(queue.is_converged(nobody));
}

#[test]
fn a_publish_to_more_topics_than_a_version_remembers_waits_for_all_who_are_busy() {
    let (queue, clients) = queue(2);
    for client in &clients {
        queue.publish(Target::One(*client), Lane::Normal, ()).unwrap();
    }
    let four = queue.publish(to(&[0, 1, 2, 3].map(Topic)), Lane::Normal, ()).unwrap();
    let five = queue.publish(to(&[0, 1, 2, 3, 4].map(Topic)), Lane::Normal, ()).unwrap();
    assert!(queue.is_converged(four));
    assert!(queue.laggards(five).eq(clients));
    while let Some(lease) = queue.try_lease() {
        lease.complete();
    }
    assert!(queue.is_converged(five), "late, and not for ever");
}

#[test]
fn a_client_that_the_filter_left_out_is_not_waited_for() {
    let (queue, clients) = queue(3);
    for (client, topic) in [(0, A), (0, B), (1, A), (2, B)] {
        queue.subscribe(clients[client], topic).unwrap();
    }
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let scope = Scope::any(&[A]).and_any(&[B]);
    let version = queue.publish(Target::Topics(scope), Lane::Normal, ()).unwrap();
    assert!(queue.laggards(version).eq([clients[0]]));
}

#[test]
fn an_empty_request_is_skipped_and_converges() {
    let queue = PushQueue::<Bits<1>>::new(Config::new(3));
    let clients: Vec<_> = (0..3).map(|_| queue.register().unwrap()).collect();
    let empty = queue.publish(Target::Everyone, Lane::Normal, [0]).unwrap();
    let full = queue.publish(Target::One(clients[1]), Lane::Normal, [1]).unwrap();
    let lease = queue.try_lease().unwrap();
    assert_eq!((lease.key(), *lease.request()), (clients[1], [1]), "empty means nothing");
    assert!(queue.try_lease().is_none());
    assert!(queue.laggards(empty).eq([clients[1]]));
    assert_eq!(queue.permits_held(), 1, "those skipped keep no permit");
    lease.complete();
    assert!(queue.is_converged(empty) && queue.is_converged(full));
}

#[test]
fn versions_are_told_apart_and_printed() {
    let (queue, clients) = queue(2);
    let to = |target| queue.publish(target, Lane::Normal, ()).unwrap();
    let first = to(Target::Everyone);
    let [one, another] = [0, 1].map(|client| to(Target::One(clients[client])));
    assert_eq!(to(Target::One(clients[0])), one, "in the same push");
    queue.try_lease().unwrap().complete();
    let again = to(Target::One(clients[0]));
    let last = to(Target::Everyone);
    let printed = [first, one, again, another, last].map(|version| version.to_string());
    assert_eq!(printed, ["v1", "v1:0.1#1", "v1:0.1#2", "v1:1.1#1", "v2"]);
}
