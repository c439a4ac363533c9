//! `Shared` computes a merge once for all clients with the same pending request, and only when it
//! is needed.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use pushlane::backlog::{Merge, Shared};
use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic};

thread_local! {
    static MERGES: Cell<usize> = const { Cell::new(0) };
}

#[derive(Clone, Debug, PartialEq)]
struct Keys(BTreeSet<u32>);

impl Merge for Keys {
    fn merge(&mut self, other: &Self) {
        MERGES.set(MERGES.get() + 1);
        self.0.extend(&other.0);
    }
}

fn keys<const N: usize>(keys: [u32; N]) -> Arc<Keys> {
    Arc::new(Keys(keys.into()))
}

fn merges(during: impl FnOnce()) -> usize {
    let before = MERGES.get();
    during();
    MERGES.get() - before
}

type Queue = PushQueue<Shared<Keys>>;

const CLIENTS: usize = 1_000;

fn queue() -> (Queue, Vec<pushlane::ClientKey>) {
    let queue = Queue::new(Config::new(CLIENTS).topics(2).permits(CLIENTS));
    let clients = (0..CLIENTS).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

fn publish(queue: &Queue, target: Target<'_>, request: &Arc<Keys>) {
    queue.publish(target, Lane::Normal, Arc::clone(request)).unwrap();
}

fn distinct(queue: &Queue) -> Vec<Arc<Keys>> {
    let mut requests: Vec<Arc<Keys>> = Vec::new();
    let leases: Vec<_> = std::iter::from_fn(|| queue.try_lease()).collect();
    assert_eq!(leases.len(), CLIENTS);
    for lease in &leases {
        if !requests.iter().any(|known| Arc::ptr_eq(known, lease.request())) {
            requests.push(Arc::clone(lease.request()));
        }
    }
    requests
}

#[test]
fn idle_clients_share_the_request_itself() {
    let (queue, _) = queue();
    let request = keys([1]);
    assert_eq!(merges(|| publish(&queue, Target::Everyone, &request)), 0);
    let pending = distinct(&queue);
    assert!(pending.len() == 1 && Arc::ptr_eq(&pending[0], &request));
}

#[test]
fn clients_with_the_same_pending_request_cost_one_merge_a_publish() {
    let (queue, _) = queue();
    publish(&queue, Target::Everyone, &keys([0]));
    for key in 1..10 {
        assert_eq!(merges(|| publish(&queue, Target::Everyone, &keys([key]))), 1);
    }
    assert_eq!(distinct(&queue), [Arc::new(Keys((0..10).collect()))]);
}

#[test]
fn two_populations_side_by_side_cost_two_merges() {
    let (queue, clients) = queue();
    for (place, client) in clients.iter().enumerate() {
        queue.subscribe(*client, Topic(u32::from(place >= CLIENTS / 2))).unwrap();
    }
    for topic in [0, 1] {
        publish(&queue, Target::Topics(Scope::any(&[Topic(topic)])), &keys([topic]));
    }
    assert_eq!(merges(|| publish(&queue, Target::Everyone, &keys([9]))), 2);
    assert_eq!(distinct(&queue), [keys([0, 9]), keys([1, 9])]);
}

#[test]
fn a_client_with_requests_of_its_own_costs_a_merge_of_its_own_and_never_gets_anothers() {
    let (queue, clients) = queue();
    publish(&queue, Target::Everyone, &keys([0]));
    publish(&queue, Target::One(clients[500]), &keys([7]));
    let cost = merges(|| publish(&queue, Target::Everyone, &keys([1])));
    assert!((2..=3).contains(&cost), "{cost} merges: one before, one for it, one after");
    let mut pending = distinct(&queue);
    pending.dedup();
    assert!(pending.contains(&keys([0, 7, 1])));
    assert_eq!(pending.iter().filter(|keys| keys.0.contains(&7)).count(), 1);
}

#[test]
fn what_a_publisher_holds_is_never_changed() {
    let (queue, clients) = queue();
    let (first, second) = (keys([1]), keys([2]));
    publish(&queue, Target::Everyone, &first);
    publish(&queue, Target::Everyone, &second);
    let lease = queue.try_lease().unwrap();
    assert_eq!(**lease.request(), Keys([1, 2].into()));
    publish(&queue, Target::One(clients[0]), &keys([3]));
    assert_eq!(**lease.request(), Keys([1, 2].into()), "nor what a lease holds");
    lease.requeue();
    assert_eq!((&*first, &*second), (&Keys([1].into()), &Keys([2].into())));
}

#[test]
fn a_requeue_without_newer_work_costs_no_merge() {
    let (queue, _) = queue();
    let request = keys([1]);
    publish(&queue, Target::Everyone, &request);
    let lease = queue.try_lease().unwrap();
    assert_eq!(merges(|| lease.requeue()), 0);
    assert_eq!(merges(|| publish(&queue, Target::Everyone, &keys([2]))), 1);
}
