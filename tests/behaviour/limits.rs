//! Limits: the smallest and the largest sizes, one client too many, keys and topics that don't
//! exist, and a closed queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use pushlane::backlog::{Bits, Dirty, Shared};
use pushlane::{
    ClientKey, Config, Lane, Lease, MAX_PERMITS, PublishErrorKind, PushQueue, RegisterError, SLOTS,
    Scope, Serve, Stale, SubscribeError, Target, Topic,
};

type Numbers = BTreeSet<u32>;

#[test]
fn a_queue_has_exactly_as_many_places_as_were_asked_for() {
    for capacity in [1, SLOTS - 1, SLOTS, SLOTS + 1, 2 * SLOTS + 1, 65 * SLOTS + 3] {
        let queue = PushQueue::<Dirty>::new(Config::new(capacity).permits(MAX_PERMITS));
        assert_eq!(queue.capacity(), capacity);
        let mut clients: Vec<_> = (0..capacity).map(|_| queue.register().unwrap()).collect();
        assert_eq!(queue.register(), Err(RegisterError::Full));
        assert_eq!(queue.register_with(Lane::Normal, ()), Err(RegisterError::Full));
        assert_eq!(queue.clients(), capacity);
        let places: BTreeSet<_> = clients.iter().map(|client| client.index()).collect();
        assert!(places.into_iter().eq(0..capacity), "each place once");

        // The places that are left are those that are given away next, under new keys: also when
        // the last bank, in which there is no room for more, is the first that is looked at.
        let left = BTreeSet::from([clients[0], clients[capacity - 1]]);
        clients.retain(|client| !left.contains(client));
        left.iter().for_each(|client| queue.unregister(*client).unwrap());
        let back: Vec<_> = left.iter().map(|_| queue.register().unwrap()).collect();
        for (old, new) in left.iter().zip(BTreeSet::from_iter(&back)) {
            assert_eq!(new.index(), old.index());
            assert!(new.generation() > old.generation());
        }
        assert_eq!(queue.register(), Err(RegisterError::Full));

        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let served: BTreeSet<_> = std::iter::from_fn(|| queue.try_lease())
            .map(|lease| {
                let client = lease.key();
                lease.complete();
                client
            })
            .collect();
        clients.extend(back);
        assert!(served.into_iter().eq(BTreeSet::from_iter(clients)));
    }
}

#[test]
fn a_place_serves_one_client_after_another() {
    let queue = PushQueue::<Bits<1>>::new(Config::new(1).topics(1));
    let mut keys = BTreeSet::new();
    for round in 0..1_000u32 {
        let client = queue.register().unwrap();
        assert!(keys.insert(client), "{client} again");
        assert!(queue.try_lease().is_none(), "nothing of a predecessor's");
        queue.publish(Target::Topics(Scope::any(&[Topic(0)])), Lane::Normal, [1]).unwrap();
        assert!(queue.try_lease().is_none(), "nor its subscriptions");
        queue.subscribe(client, Topic(0)).unwrap();
        queue.publish(Target::One(client), Lane::Urgent, [round + 1]).unwrap();
        if round % 2 == 0 {
            let lease = queue.try_lease().unwrap();
            assert_eq!(*lease.request(), [round + 1]);
            lease.complete();
        }
        queue.unregister(client).unwrap();
    }
}

#[test]
fn a_queue_without_places_works() {
    let queue = PushQueue::<Dirty>::new(Config::new(0));
    assert_eq!((queue.capacity(), queue.clients(), queue.topics()), (0, 0, 0));
    assert_eq!(queue.register(), Err(RegisterError::Full));
    let version = queue.publish(Target::Everyone, Lane::Urgent, ()).unwrap();
    assert!(queue.is_converged(version));
    assert!(queue.try_lease().is_none());
    queue.close();
    assert!(queue.is_drained());
}

#[test]
fn a_queue_without_permits_waits_for_some() {
    let queue = PushQueue::<Dirty>::new(Config::new(1).permits(0));
    queue.register_with(Lane::Normal, ()).unwrap();
    assert!(queue.try_lease().is_none());
    assert_eq!(queue.set_permits(1), 0);
    let lease = queue.try_lease().unwrap();
    assert_eq!(queue.set_permits(0), 1);
    assert_eq!((queue.permits_held(), queue.permits()), (1, 0), "no push is interrupted");
    lease.requeue();
    assert_eq!(queue.permits_held(), 0);
    assert!(queue.try_lease().is_none());
}

#[test]
fn more_permits_than_there_can_be_are_as_many_as_there_can_be() {
    let queue = PushQueue::<Dirty>::new(Config::new(1).permits(usize::MAX));
    assert_eq!(queue.permits(), MAX_PERMITS);
    assert_eq!(queue.set_permits(MAX_PERMITS + 1), MAX_PERMITS);
    assert_eq!((queue.permits(), queue.permits_held()), (MAX_PERMITS, 0));
    queue.register_with(Lane::Normal, ()).unwrap();
    let lease = queue.try_lease().unwrap();
    assert_eq!(
        (queue.permits(), queue.permits_held()),
        (MAX_PERMITS, 0),
        "a limit that can't be reached"
    );
    lease.complete();
}

#[test]
fn what_begins_without_a_limit_is_not_counted_under_one() {
    let queue = PushQueue::<Dirty>::new(Config::new(4).permits(MAX_PERMITS));
    for _ in 0..4 {
        queue.register_with(Lane::Normal, ()).unwrap();
    }
    let (mut first, mut second) = (queue.try_lease().unwrap(), queue.try_lease().unwrap());
    let batch = queue.try_lease_batch(1).unwrap();
    assert_eq!(queue.set_permits(1), MAX_PERMITS);
    let counted = queue.try_lease().expect("one more under the limit");
    assert!(queue.try_lease().is_none());
    first.release_permit();
    drop(second.take_permit().expect("it has one, counted or not"));
    assert!(second.take_permit().is_none());
    assert_eq!(queue.permits_held(), 1, "what was not counted does not come back");
    first.requeue();
    second.complete();
    batch.complete();
    assert_eq!(queue.permits_held(), 1);
    assert!(queue.try_lease().is_none(), "the limit is held by the one that is counted");
    // The other way round: counted permits come back when the limit is gone.
    queue.set_permits(MAX_PERMITS);
    assert_eq!(queue.permits_held(), 1);
    counted.complete();
    assert_eq!(queue.permits_held(), 0);
}

#[test]
fn a_permit_comes_back_once_however_its_push_ends() {
    let ends: [fn(Lease<&PushQueue<Dirty>>); 3] =
        [|lease| lease.complete(), |lease| lease.requeue(), |lease| drop(lease)];
    for ends in ends {
        for permits in [1, MAX_PERMITS] {
            let queue = PushQueue::<Dirty>::new(Config::new(2).permits(permits));
            queue.register_with(Lane::Normal, ()).unwrap();
            ends(queue.try_lease().unwrap());
            assert_eq!(queue.permits_held(), 0);
            queue.register_with(Lane::Normal, ()).unwrap();
            let mut lease = queue.try_lease().unwrap();
            lease.release_permit();
            assert_eq!(queue.permits_held(), 0);
            ends(lease);
            assert_eq!(queue.permits_held(), 0);
        }
    }
}

#[test]
fn unknown_topics_are_named_and_nobody_is_touched() {
    let queue = PushQueue::<Dirty>::new(Config::new(1).topics(2));
    let client = queue.register().unwrap();
    queue.subscribe(client, Topic(1)).unwrap();
    let beyond = Topic(2);
    let unknown = Err(SubscribeError::UnknownTopic(beyond));
    assert_eq!(queue.subscribe(client, beyond), unknown);
    assert_eq!(queue.unsubscribe(client, beyond), unknown);
    let (known, all) = ([Topic(1)], [Topic(1), beyond, Topic(u32::MAX)]);
    for scope in [Scope::any(&all), Scope::any(&known).and_any(&all)] {
        let refused = queue.publish(Target::Topics(scope), Lane::Normal, ()).unwrap_err();
        assert_eq!(refused.kind, PublishErrorKind::UnknownTopic(beyond), "the first there is not");
    }
    assert!(queue.try_lease().is_none(), "not even through the topics that are known");
}

#[test]
fn a_scope_of_no_topics_and_a_filter_of_none_reach_nobody() {
    let queue = PushQueue::<Dirty>::new(Config::new(1).topics(1));
    let client = queue.register().unwrap();
    queue.subscribe(client, Topic(0)).unwrap();
    let topics = [Topic(0)];
    for scope in
        [Scope::any(&[]), Scope::any(&topics).and_any(&[]), Scope::any(&[]).and_any(&topics)]
    {
        let version = queue.publish(Target::Topics(scope), Lane::Normal, ()).unwrap();
        assert!(queue.is_converged(version) && queue.try_lease().is_none(), "{scope:?}");
    }
}

/// Every operation that takes a key.
fn assert_stale(queue: &PushQueue<Shared<Numbers>>, key: ClientKey) {
    assert!(!queue.is_registered(key));
    assert_eq!(queue.unregister(key), Err(Stale));
    assert_eq!(queue.subscribe(key, Topic(0)), Err(SubscribeError::Stale));
    assert_eq!(queue.unsubscribe(key, Topic(0)), Err(SubscribeError::Stale));
    let request = Arc::new(Numbers::from([1]));
    let refused = queue.publish(Target::One(key), Lane::Urgent, Arc::clone(&request)).unwrap_err();
    assert_eq!(refused.kind, PublishErrorKind::Stale);
    assert!(Arc::ptr_eq(&refused.request, &request));
    drop(refused);
    assert_eq!(Arc::strong_count(&request), 1, "nothing was recorded");
}

#[test]
fn keys_of_another_larger_queue_are_stale() {
    let other = PushQueue::<Dirty>::new(Config::new(10 * SLOTS));
    let foreign: Vec<_> = (0..10 * SLOTS).map(|_| other.register().unwrap()).collect();
    let queue = PushQueue::new(Config::new(SLOTS + 2).topics(1));
    let mine: Vec<_> = (0..3).map(|_| queue.register().unwrap()).collect();
    // A vacant place, the places of the last bank beyond the capacity, and banks that there are
    // not.
    for place in [3, SLOTS + 1, SLOTS + 2, 2 * SLOTS - 1, 2 * SLOTS, 10 * SLOTS - 1] {
        assert_stale(&queue, foreign[place]);
    }
    assert!(mine.iter().all(|client| queue.is_registered(*client)));
    assert!(queue.try_lease().is_none());
    let version = other.publish(Target::One(foreign[10 * SLOTS - 1]), Lane::Normal, ()).unwrap();
    assert!(queue.is_converged(version), "there is no such client here");
}

#[test]
fn the_key_of_a_client_that_left_is_stale_for_ever_and_its_versions_have_converged() {
    let queue = PushQueue::new(Config::new(1).topics(1));
    let gone = queue.register().unwrap();
    let request = Arc::new(Numbers::from([7]));
    let version = queue.publish(Target::One(gone), Lane::Normal, request).unwrap();
    queue.unregister(gone).unwrap();
    assert_stale(&queue, gone);
    let next = queue.register().unwrap();
    assert_stale(&queue, gone);
    assert!(queue.is_registered(next) && queue.is_converged(version));
    assert!(queue.try_lease().is_none());
}

#[test]
fn a_closed_queue_refuses_and_gives_every_request_back() {
    let queue = PushQueue::<Shared<Numbers>>::new(Config::new(2).topics(1));
    let client = queue.register().unwrap();
    queue.close();
    queue.close();
    assert!(queue.is_closed() && queue.is_drained());
    let topics = [Topic(0)];
    let request = Arc::new(Numbers::from([1]));
    let targets = [Target::Everyone, Target::One(client), Target::Topics(Scope::any(&topics))];
    for target in targets {
        let refused = queue.publish(target, Lane::Normal, Arc::clone(&request)).unwrap_err();
        assert_eq!(refused.kind, PublishErrorKind::Closed);
        assert!(Arc::ptr_eq(&refused.request, &request), "the same, not an equal one");
    }
    assert_eq!(queue.register(), Err(RegisterError::Closed));
    let first = Arc::clone(&request);
    assert_eq!(queue.register_with(Lane::Normal, first), Err(RegisterError::Closed));
    assert_eq!(Arc::strong_count(&request), 1);
    assert!(queue.try_lease().is_none());
    // Clients may still leave and change their subscriptions.
    assert_eq!(queue.subscribe(client, Topic(0)), Ok(()));
    assert_eq!(queue.unregister(client), Ok(()));
}

#[test]
fn a_queue_is_drained_when_the_last_push_has_ended() {
    let queue = PushQueue::<Dirty>::new(Config::new(2));
    let done = queue.register_with(Lane::Normal, ()).unwrap();
    let evicted = queue.register_with(Lane::Normal, ()).unwrap();
    assert!(!queue.is_drained(), "not closed");
    queue.close();
    let leases = [queue.try_lease().unwrap(), queue.try_lease().unwrap()];
    assert!(!queue.is_drained(), "in progress");
    let [first, second] = leases;
    assert_eq!((first.key(), second.key()), (done, evicted));
    first.complete();
    assert!(!queue.is_drained());
    queue.unregister(evicted).unwrap();
    assert!(queue.is_drained(), "a push to a client that has left is not waited for");
    second.requeue();
    assert!(queue.is_drained(), "once true, always true");
}

/// As the adapters see a queue.
#[test]
fn a_queue_through_the_trait() {
    fn over(queue: &impl Serve<Signal = pushlane::NoSignal>, client: ClientKey) {
        let queue = queue.as_queue();
        assert!(!queue.is_closed() && !queue.is_drained());
        queue.close();
        assert!(queue.is_closed() && !queue.is_drained(), "somebody waits");
        assert_eq!(queue.unregister(client), Ok(()));
        assert_eq!(queue.unregister(client), Err(Stale));
        assert!(queue.is_drained());
    }
    let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
    let client = queue.register_with(Lane::Normal, ()).unwrap();
    assert!(std::ptr::eq(queue.as_queue(), &*queue));
    let lease = PushQueue::try_lease_from(Arc::clone(&queue)).unwrap();
    assert!(PushQueue::try_lease_from(Arc::clone(&queue)).is_none());
    assert_eq!(lease.key(), client);
    lease.requeue();
    over(&*queue, client);
    assert!(queue.is_closed() && !queue.is_registered(client));
}
