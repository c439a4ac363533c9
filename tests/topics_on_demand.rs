//! A publish to a topic with many members marks nobody: whoever serves does.

use std::sync::Mutex;

use pushlane::backlog::{Bits, Dirty, Everything, Journal, Merge};
use pushlane::ready::Sweep;
use pushlane::storage::Heap;
use pushlane::{
    ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Signal, StaticQueue, Target, Topic, Version,
};

const TOPIC: Topic = Topic(0);
const OTHER: Topic = Topic(1);

fn queue(config: Config) -> (PushQueue<Dirty>, Vec<ClientKey>) {
    let queue = PushQueue::new(config.topics(2));
    let clients: Vec<_> = (0..queue.capacity()).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

/// All are members.
fn crowd(config: Config) -> (PushQueue<Dirty>, Vec<ClientKey>) {
    let (queue, clients) = queue(config);
    clients.iter().for_each(|&client| queue.subscribe(client, TOPIC).unwrap());
    (queue, clients)
}

fn publish(queue: &PushQueue<Dirty>, topic: Topic, lane: Lane) -> Version {
    queue.publish(Target::Topics(Scope::any(&[topic])), lane, ()).unwrap()
}

/// Whom a drain leases, each as often as it does.
fn drain(queue: &PushQueue<Dirty>) -> Vec<ClientKey> {
    let next = || {
        let lease = queue.try_lease()?;
        let client = lease.key();
        lease.complete();
        Some(client)
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn the_threshold_is_a_number_of_members() {
    let (queue, clients) = queue(Config::new(20).on_demand_from(3));
    let waiting = || {
        publish(&queue, TOPIC, Lane::Normal);
        let waiting = queue.waiting();
        (waiting, drain(&queue).len())
    };
    for &client in &clients[..2] {
        queue.subscribe(client, TOPIC).unwrap();
        queue.subscribe(client, TOPIC).unwrap();
    }
    assert_eq!(waiting(), (2, 2), "two members, marked by the publisher");
    queue.subscribe(clients[2], TOPIC).unwrap();
    assert_eq!(waiting(), (0, 3), "on demand");
    queue.unsubscribe(clients[2], TOPIC).unwrap();
    queue.unsubscribe(clients[2], TOPIC).unwrap();
    assert_eq!(waiting(), (3, 3), "who leaves is told, and no member");
    queue.subscribe(clients[3], TOPIC).unwrap();
    assert_eq!(waiting(), (0, 3));
    queue.unregister(clients[3]).unwrap();
    assert_eq!(waiting(), (2, 2), "who has gone is no member");
}

#[test]
fn without_a_filter_large_topics_are_published_to_on_demand() {
    let queue = PushQueue::<Dirty>::new(Config::new(20).topics(5).on_demand_from(1));
    let clients = [(); 20].map(|()| queue.register().unwrap());
    let topics = [0, 1, 2, 3, 4].map(Topic);
    topics.iter().for_each(|&topic| queue.subscribe(clients[0], topic).unwrap());
    queue.subscribe(clients[17], topics[3]).unwrap();
    let publish = |scope: Scope<'_>| {
        let version = queue.publish(Target::Topics(scope), Lane::Normal, ()).unwrap();
        let laggards: Vec<_> = queue.laggards(version).collect();
        let waiting = queue.waiting();
        let mut pushed = drain(&queue);
        pushed.sort();
        assert_eq!(laggards, pushed);
        assert!(queue.is_converged(version));
        (waiting, pushed)
    };
    let (one, two) = (vec![clients[0]], vec![clients[0], clients[17]]);
    assert_eq!(publish(Scope::any(&topics[..2])), (0, one.clone()), "once, although of both");
    assert_eq!(publish(Scope::any(&topics[..4])), (0, two.clone()));
    assert_eq!(publish(Scope::any(&[topics[3]; 2])), (0, two.clone()), "the same one twice");
    assert_eq!(publish(Scope::any(&topics)), (2, two), "more than a version remembers");
    let filtered = Scope::any(&topics[..1]).and_any(&topics[1..2]);
    assert_eq!(publish(filtered), (1, one.clone()));
    assert_eq!(publish(Scope::any(&[])), (0, vec![]), "nobody");
    // A small one among them.
    queue.unsubscribe(clients[0], topics[1]).unwrap();
    assert_eq!(publish(Scope::any(&topics[..2])), (1, one));
}

#[test]
fn a_publish_to_several_topics_is_done_when_each_has_been_visited() {
    // A member of the one in the first group of banks, one of the other in the last.
    let config = Config::new(2 * SLOTS * usize::BITS as usize + 1).permits(usize::MAX);
    let (queue, clients) = queue(config.on_demand_from(0));
    let (first, last) = (clients[0], clients[clients.len() - 1]);
    queue.subscribe(first, TOPIC).unwrap();
    queue.subscribe(last, OTHER).unwrap();
    let scope = Target::Topics(Scope::any(&[TOPIC, OTHER]));
    let version = queue.publish(scope, Lane::Urgent, ()).unwrap();
    for client in [first, last] {
        assert!(queue.laggards(version).any(|laggard| laggard == client));
        let lease = queue.try_lease().unwrap();
        assert_eq!((lease.key(), lease.lane()), (client, Lane::Urgent));
        lease.complete();
    }
    assert!(queue.is_converged(version) && queue.try_lease().is_none());
    // A later publish, whose visits are still to be made, does not take that back.
    queue.publish(scope, Lane::Urgent, ()).unwrap();
    assert!(queue.is_converged(version));
}

#[test]
fn what_is_never_published_on_demand() {
    let (queue, clients) = crowd(Config::new(1_000).on_demand_from(usize::MAX));
    publish(&queue, TOPIC, Lane::Normal);
    assert_eq!(queue.waiting(), clients.len(), "never on demand");

    let queue = PushQueue::<Bits<1>>::new(Config::new(1).topics(1).on_demand_from(0));
    queue.subscribe(queue.register().unwrap(), TOPIC).unwrap();
    queue.publish(Target::Topics(Scope::any(&[TOPIC])), Lane::Normal, [1]).unwrap();
    assert_eq!(queue.waiting(), 1, "it is recorded for each client");
}

#[test]
fn each_member_of_many_banks_is_pushed_to_once() {
    // Three groups of banks, the last one not full.
    let config = Config::new(2 * SLOTS * usize::BITS as usize + SLOTS + 1).permits(usize::MAX);
    let (queue, clients) = queue(config.on_demand_from(0));
    let some = [0, SLOTS, SLOTS * usize::BITS as usize, clients.len() - 1];
    let members = some.map(|client| clients[client]);
    members.iter().for_each(|&client| queue.subscribe(client, TOPIC).unwrap());
    for _ in 0..3 {
        let versions = [(); 3].map(|()| publish(&queue, TOPIC, Lane::Normal));
        let laggards: Vec<_> = queue.laggards(versions[0]).collect();
        assert_eq!(laggards, members);
        let mut pushed = drain(&queue);
        pushed.sort();
        assert_eq!(pushed, members, "once for all three publishes");
        assert!(versions.into_iter().all(|version| queue.is_converged(version)));
    }
}

#[test]
fn topics_take_turns_with_each_other_and_with_everyone() {
    let (queue, clients) = queue(Config::new(40).permits(usize::MAX).on_demand_from(0));
    queue.subscribe(clients[0], TOPIC).unwrap();
    queue.subscribe(clients[20], OTHER).unwrap();
    publish(&queue, TOPIC, Lane::Normal);
    publish(&queue, OTHER, Lane::Normal);
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let mut pushed = drain(&queue);
    pushed.sort();
    assert_eq!(pushed, clients, "each once");

    // A client that is dirty all the time keeps neither topic waiting.
    let hot = clients[39];
    let versions = [TOPIC, OTHER].map(|topic| publish(&queue, topic, Lane::Normal));
    for _ in 0..60 {
        queue.publish(Target::One(hot), Lane::Normal, ()).unwrap();
        queue.try_lease().unwrap().complete();
    }
    assert!(versions.into_iter().all(|version| queue.is_converged(version)));
}

#[test]
fn an_urgent_topic_goes_first_and_says_so() {
    let (queue, clients) = queue(Config::new(40).on_demand_from(0).urgent_ratio(4));
    let member = clients[30];
    queue.subscribe(member, TOPIC).unwrap();
    queue.publish(Target::One(clients[0]), Lane::Normal, ()).unwrap();
    publish(&queue, TOPIC, Lane::Urgent);
    let lease = queue.try_lease().unwrap();
    assert_eq!((lease.key(), lease.lane()), (member, Lane::Urgent));
    drop(lease);
    assert_eq!(queue.try_lease().unwrap().lane(), Lane::Urgent, "also once it was given back");

    // Leased through the other lane, before anybody has marked it for the topic.
    let (queue, clients) = crowd(Config::new(2).on_demand_from(0).urgent_ratio(0));
    queue.publish(Target::One(clients[1]), Lane::Normal, ()).unwrap();
    publish(&queue, TOPIC, Lane::Urgent);
    let lease = queue.try_lease().unwrap();
    assert_eq!((lease.key(), lease.lane()), (clients[1], Lane::Urgent));
    lease.complete();
    assert_eq!(drain(&queue), [clients[0]], "the other one has it already");
}

#[test]
fn a_push_is_superseded_by_a_publish_to_its_topic() {
    let (queue, clients) = queue(Config::new(2).on_demand_from(0));
    queue.subscribe(clients[0], TOPIC).unwrap();
    for client in &clients {
        queue.publish(Target::One(*client), Lane::Normal, ()).unwrap();
    }
    let (member, other) = (queue.try_lease().unwrap(), queue.try_lease().unwrap());
    publish(&queue, TOPIC, Lane::Normal);
    assert!(member.is_superseded() && !other.is_superseded());
    member.complete();
    other.complete();
    assert_eq!(drain(&queue), [clients[0]]);
}

#[test]
fn who_has_left_the_topic_or_the_queue_holds_nothing_back() {
    let (queue, clients) = crowd(Config::new(3).on_demand_from(0));
    let version = publish(&queue, TOPIC, Lane::Normal);
    queue.unsubscribe(clients[0], TOPIC).unwrap();
    queue.unregister(clients[1]).unwrap();
    assert!(queue.laggards(version).eq([clients[0], clients[2]]));
    assert_eq!(drain(&queue), [clients[0], clients[2]], "it left after the publish, and is told");
    assert!(queue.is_converged(version));

    let version = publish(&queue, OTHER, Lane::Normal);
    assert!(queue.is_converged(version), "nobody is concerned");
    queue.close();
    assert!(queue.is_drained());
}

/// What is published while the push that forgets the topic is in progress.
#[test]
fn who_is_about_to_be_forgotten_is_told_once_more() {
    let (queue, clients) = queue(Config::new(SLOTS + 4).on_demand_from(0));
    for client in [clients[0], clients[SLOTS + 3]] {
        queue.subscribe(client, TOPIC).unwrap();
        queue.unsubscribe(client, TOPIC).unwrap();
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        let lease = queue.try_lease().unwrap();
        let version = publish(&queue, TOPIC, Lane::Normal);
        lease.complete();
        assert!(!queue.is_converged(version));
        assert_eq!(drain(&queue), [client]);
        assert!(queue.is_converged(version));
        let version = publish(&queue, TOPIC, Lane::Normal);
        assert!(queue.is_converged(version) && queue.try_lease().is_none(), "it is forgotten");
    }
}

#[test]
fn who_subscribes_later_holds_back_what_comes_then_and_nothing_before() {
    let (queue, clients) = queue(Config::new(2).on_demand_from(0));
    queue.subscribe(clients[0], TOPIC).unwrap();
    let before = publish(&queue, TOPIC, Lane::Normal);
    assert_eq!(drain(&queue), [clients[0]]);
    queue.subscribe(clients[1], TOPIC).unwrap();
    let later = publish(&queue, TOPIC, Lane::Normal);
    assert!(queue.is_converged(before), "every member has been reached");
    assert!(queue.laggards(later).eq(clients));
}

#[test]
fn who_subscribes_later_to_one_of_several_topics_holds_nothing_back() {
    let (queue, clients) = queue(Config::new(1).on_demand_from(0));
    let both = [TOPIC, OTHER];
    let before = queue.publish(Target::Topics(Scope::any(&both)), Lane::Normal, ()).unwrap();
    assert_eq!(drain(&queue), [], "nobody is a member");
    for (topic, other) in [(TOPIC, OTHER), (OTHER, TOPIC)] {
        queue.subscribe(clients[0], topic).unwrap();
        assert!(queue.is_converged(before));
        publish(&queue, other, Lane::Normal);
        assert!(queue.is_converged(before), "the other topic is to be visited for a later one");
        queue.unsubscribe(clients[0], topic).unwrap();
    }
}

#[test]
fn a_drain_waits_for_members_that_nobody_has_marked() {
    let (queue, clients) = queue(Config::new(2).on_demand_from(0));
    queue.subscribe(clients[0], TOPIC).unwrap();
    publish(&queue, TOPIC, Lane::Urgent);
    queue.close();
    assert!(!queue.is_drained());
    assert_eq!(drain(&queue), [clients[0]]);
    assert!(queue.is_drained());
}

#[test]
fn a_drain_is_over_also_if_an_idle_client_subscribes_then() {
    let (queue, clients) = queue(Config::new(2).on_demand_from(0));
    queue.subscribe(clients[0], TOPIC).unwrap();
    publish(&queue, TOPIC, Lane::Normal);
    assert_eq!(drain(&queue), [clients[0]]);
    queue.close();
    assert!(queue.is_drained());
    queue.subscribe(clients[1], TOPIC).unwrap();
    assert!(queue.is_drained(), "once true, always true");
}

/// The visits are still to be made, and whoever they would mark has had what was published.
#[test]
fn a_drain_does_not_wait_for_visits_that_nobody_needs() {
    let (queue, clients) = queue(Config::new(2));
    for &client in &clients {
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
    }
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    queue.close();
    let leases = [queue.try_lease().unwrap(), queue.try_lease().unwrap()];
    for lease in leases {
        assert!(!queue.is_drained());
        lease.complete();
    }
    assert!(queue.is_drained());
    assert!(queue.try_lease().is_none());
}

#[derive(Default)]
struct Log(Mutex<Vec<usize>>);

impl Signal for Log {
    fn ready(&self, leases: usize) {
        self.0.lock().unwrap().push(leases);
    }
}

#[test]
fn as_many_are_told_as_there_are_members() {
    let config = Config::new(40).topics(1).on_demand_from(0);
    let queue: PushQueue<Dirty, Heap, Sweep, Log> =
        PushQueue::with_parts(config, Dirty, Log::default());
    for members in 0..3 {
        queue.publish(Target::Topics(Scope::any(&[TOPIC])), Lane::Normal, ()).unwrap();
        let told = std::mem::take(&mut *queue.signal().0.lock().unwrap());
        assert_eq!(told, [members.max(1)], "one at least: somebody may have left and not know");
        while let Some(lease) = queue.try_lease() {
            lease.complete();
        }
        queue.subscribe(queue.register().unwrap(), TOPIC).unwrap();
        queue.signal().0.lock().unwrap().clear();
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Flags(u32);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Everything for Flags {
    fn everything() -> Self {
        Flags(u32::MAX)
    }
}

#[test]
fn a_journal_tells_members_what_was_published_to_their_topic() {
    static QUEUE: StaticQueue<Journal<Flags, 8>, 4, 2> =
        StaticQueue::const_new(Config::new(30).on_demand_from(0));
    let queue = &QUEUE;
    let clients = [(); 3].map(|()| queue.register().unwrap());
    queue.subscribe(clients[0], TOPIC).unwrap();
    queue.subscribe(clients[1], OTHER).unwrap();
    for (topic, flags) in [(TOPIC, 1), (OTHER, 2), (TOPIC, 4)] {
        queue.publish(Target::Topics(Scope::any(&[topic])), Lane::Normal, Flags(flags)).unwrap();
    }
    let mut told = Vec::new();
    while let Some(lease) = queue.try_lease() {
        told.push((lease.key(), lease.request().0));
        lease.complete();
    }
    told.sort();
    assert_eq!(told, [(clients[0], 5), (clients[1], 2)]);
}
