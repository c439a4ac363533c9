//! Following a publish to its recipients: the numbers of a tracker, barriers, sets of versions.

use std::sync::Arc;

use pushlane::backlog::{Bits, Dirty};
use pushlane::{
    ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Target, Topic, Tracker, Version, VersionSet,
    Versions,
};

const A: Topic = Topic(0);

fn queue(clients: usize) -> (PushQueue<Dirty>, Vec<ClientKey>) {
    let queue = PushQueue::new(Config::new(clients + 1).topics(8));
    let keys = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, keys)
}

fn publish(queue: &PushQueue<Dirty>, target: Target<'_>) -> Version {
    queue.publish(target, Lane::Normal, ()).unwrap()
}

/// Serves until nothing is ready. Returns the clients.
fn serve(queue: &PushQueue<Dirty>) -> Vec<ClientKey> {
    let served = std::iter::from_fn(|| queue.try_lease()).map(|lease| {
        let key = lease.key();
        lease.complete();
        key
    });
    served.collect()
}

/// Completed, left, missing.
fn counts<Q, V: Versions>(tracker: &Tracker<Q, V>) -> [usize; 3] {
    let counts = [tracker.completed(), tracker.left(), tracker.missing().len()];
    assert_eq!(counts.iter().sum::<usize>(), tracker.recipients());
    counts
}

#[test]
fn it_moves_on_from_the_first_client_that_is_missing() {
    let (queue, clients) = queue(3 * SLOTS);
    let version = publish(&queue, Target::Everyone);
    let mut tracker = queue.track(version);
    assert_eq!(counts(&tracker), [0, 0, 3 * SLOTS]);
    let first = queue.try_lease().unwrap();
    assert_eq!(first.key(), clients[0]);
    assert_eq!(serve(&queue).len(), 3 * SLOTS - 1);
    assert!(!tracker.advance());
    assert_eq!(counts(&tracker), [0, 0, 3 * SLOTS], "it has not looked behind the first");
    assert!(!tracker.refresh());
    assert_eq!(counts(&tracker), [3 * SLOTS - 1, 0, 1]);
    assert_eq!(tracker.missing(), [clients[0]]);
    first.complete();
    assert!(tracker.advance() && tracker.refresh());
    assert_eq!(counts(&tracker), [3 * SLOTS, 0, 0]);
}

/// Unlike `is_converged`, which may be late by one push of a client that leaves a topic.
#[test]
fn a_client_that_is_done_stays_done() {
    let (queue, clients) = queue(2);
    let all = queue.barrier();
    let mut tracker = queue.track(all);
    assert!(tracker.advance(), "nothing was published");
    publish(&queue, Target::One(clients[0]));
    assert!(!queue.is_converged(all), "it can't know when that was published");
    assert!(tracker.advance() && tracker.refresh());
    assert_eq!(counts(&tracker), [2, 0, 0]);
}

#[test]
fn a_client_that_left_counts_as_completed_while_that_is_known() {
    let (queue, clients) = queue(4);
    let version = publish(&queue, Target::Everyone);
    let mut tracker = queue.track(version);
    let mut again = queue.track(version);
    assert_eq!(serve(&queue), clients);
    publish(&queue, Target::Everyone);
    clients.iter().for_each(|client| queue.unregister(*client).unwrap());
    let newcomer = queue.register().unwrap();
    let taken = newcomer.index();
    assert!(tracker.refresh() && again.advance());
    for tracker in [&tracker, &again] {
        let known = clients.iter().filter(|client| client.index() != taken).count();
        assert_eq!(counts(tracker), [known, clients.len() - known, 0]);
    }
}

#[test]
fn a_client_that_left_before_its_push_has_not_completed() {
    let (queue, clients) = queue(3);
    let version = publish(&queue, Target::Everyone);
    let mut tracker = queue.track(version);
    queue.unregister(clients[0]).unwrap();
    let lease = queue.try_lease().unwrap();
    queue.unregister(lease.key()).unwrap();
    assert!(!tracker.refresh());
    assert_eq!(counts(&tracker), [0, 2, 1]);
    lease.complete();
    assert_eq!(serve(&queue), [clients[2]]);
    assert!(tracker.advance());
    assert_eq!(counts(&tracker), [1, 2, 0]);
}

#[test]
fn the_recipients_are_those_of_the_version() {
    let (queue, clients) = queue(2 * SLOTS);
    for client in &clients[SLOTS - 1..=SLOTS] {
        queue.subscribe(*client, A).unwrap();
    }
    let some = publish(&queue, Target::Topics(Scope::any(&[A])));
    let one = publish(&queue, Target::One(clients[3]));
    let (topic, single) = (queue.track(some), queue.track(one));
    assert_eq!((topic.recipients(), single.recipients()), (2, 1));
    assert_eq!(single.missing(), [clients[3]]);
    // Made late: the one that left is not among them; of a version of one client it is.
    queue.unregister(clients[SLOTS]).unwrap();
    queue.unregister(clients[3]).unwrap();
    let (mut topic, mut single) = (queue.track(some), queue.track(one));
    assert_eq!(topic.missing(), [clients[SLOTS - 1]]);
    assert!(!topic.refresh() && single.refresh());
    assert_eq!((counts(&topic), counts(&single)), ([0, 0, 1], [0, 1, 0]));
}

#[test]
fn a_tracker_can_own_its_queue() {
    let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(2)));
    let client = queue.register().unwrap();
    let version = queue.publish(Target::One(client), Lane::Normal, [1]).unwrap();
    let mut tracker = PushQueue::track_from(Arc::clone(&queue), version);
    queue.try_lease().unwrap().complete();
    let counts = std::thread::spawn(move || {
        assert!(tracker.advance());
        counts(&tracker)
    });
    assert_eq!(counts.join().unwrap(), [1, 0, 0]);
}

#[test]
fn a_barrier_waits_for_all_that_was_published_before_and_nothing_else() {
    let (queue, clients) = queue(5);
    publish(&queue, Target::One(clients[1]));
    let served = queue.try_lease().unwrap();
    publish(&queue, Target::One(clients[2]));
    queue.publish(Target::One(clients[3]), Lane::Urgent, ()).unwrap();
    let all = queue.barrier();
    assert!(queue.laggards(all).eq(clients[1..4].iter().copied()));
    publish(&queue, Target::One(clients[2]));
    assert_eq!(serve(&queue).len(), 2);
    assert!(queue.laggards(all).eq([clients[1]]));
    served.complete();
    assert!(queue.is_converged(all));
    queue.close();
    assert!(queue.is_converged(queue.barrier()));
}

/// A publish to everyone that is made on demand has marked nobody yet.
#[test]
fn a_barrier_waits_for_marks_that_workers_make() {
    for lane in [Lane::Urgent, Lane::Normal] {
        let (queue, clients) = queue(3 * SLOTS);
        queue.publish(Target::Everyone, lane, ()).unwrap();
        let all = queue.barrier();
        assert_eq!(queue.laggards(all).count(), clients.len());
        let mut tracker = queue.track(all);
        for _ in 1..clients.len() {
            queue.try_lease().unwrap().complete();
            assert!(!queue.is_converged(all) && !tracker.refresh());
        }
        queue.try_lease().unwrap().complete();
        assert!(queue.is_converged(all) && tracker.advance());
        assert_eq!(counts(&tracker), [clients.len(), 0, 0]);
    }
}

/// It was pushed to for another reason, before the workers came to mark it.
#[test]
fn a_barrier_does_not_wait_for_marks_that_nobody_needs() {
    let (queue, clients) = queue(1);
    publish(&queue, Target::One(clients[0]));
    publish(&queue, Target::Everyone);
    assert_eq!(serve(&queue).len(), 1);
    publish(&queue, Target::One(clients[0]));
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::Everyone);
    lease.requeue();
    queue.try_lease().unwrap().complete();
    assert!(queue.is_converged(queue.barrier()));
}

#[test]
fn a_set_is_done_when_all_its_versions_are() {
    let (queue, clients) = queue(2 * SLOTS);
    queue.subscribe(clients[7], A).unwrap();
    queue.subscribe(clients[9], A).unwrap();
    let mut change: VersionSet = [clients[3], clients[9]]
        .map(|client| publish(&queue, Target::One(client)))
        .into_iter()
        .collect();
    assert!(queue.laggards(&change).eq([clients[3], clients[9]]));
    change.join(publish(&queue, Target::Topics(Scope::any(&[A]))));
    let mut laggards: Vec<_> = queue.laggards(&change).collect();
    laggards.sort();
    assert_eq!(laggards, [clients[3], clients[7], clients[9]], "each of them once");
    let mut tracker = queue.track(&change);
    assert_eq!(counts(&tracker), [0, 0, 3]);

    let first = queue.try_lease().unwrap();
    assert_eq!(first.key(), clients[3]);
    first.complete();
    publish(&queue, Target::One(clients[3]));
    assert!(!tracker.refresh() && !queue.is_converged(&change));
    assert_eq!(tracker.missing(), [clients[9], clients[7]]);
    queue.unregister(clients[7]).unwrap();
    assert!(serve(&queue).contains(&clients[9]));
    assert!(queue.is_converged(&change) && tracker.advance());
    assert_eq!(counts(&tracker), [2, 1, 0]);
    assert!(queue.is_converged(VersionSet::new()));
}

/// The client completes one of the two, and owes the other.
#[test]
fn a_laggard_of_a_set_comes_once_also_if_its_push_ends_meanwhile() {
    let (queue, clients) = queue(2);
    for single in [false, true] {
        let first = publish(&queue, Target::Everyone);
        let lease = queue.try_lease().unwrap();
        let target = if single { Target::One(lease.key()) } else { Target::Everyone };
        let change = VersionSet::from_iter([first, publish(&queue, target)]);
        let mut laggards = queue.laggards(&change);
        assert_eq!(laggards.next(), Some(clients[0]));
        lease.complete();
        assert!(laggards.eq([clients[1]]));
        serve(&queue);
    }
}

#[test]
fn a_client_that_owes_two_versions_of_a_set_owes_both() {
    let (queue, clients) = queue(1);
    let first = publish(&queue, Target::One(clients[0]));
    let lease = queue.try_lease().unwrap();
    let second = publish(&queue, Target::Everyone);
    for change in [[first, second], [second, first]] {
        let change = VersionSet::from_iter(change);
        let mut tracker = queue.track(&change);
        assert_eq!(counts(&tracker), [0, 0, 1]);
        assert!(!tracker.advance() && queue.laggards(&change).eq([clients[0]]));
    }
    let mut tracker = queue.track(VersionSet::from_iter([first, second]));
    lease.complete();
    assert!(queue.is_converged(first) && !queue.is_converged(second));
    assert!(!tracker.advance() && !queue.is_converged(tracker.versions()));
    assert_eq!(serve(&queue), clients);
    assert!(tracker.advance() && queue.is_converged(tracker.versions()));
}
