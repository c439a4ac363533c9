//! A publish that concerns everybody in many banks marks those as a whole, and nobody can tell.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use pushlane::backlog::{Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Target, Topic, Version};

const ALL: Topic = Topic(0);
const SOME: Topic = Topic(1);

/// A queue of some banks and a bit, all of whose clients are members of a topic; publishes mark their clients.
fn queue(banks: usize) -> (PushQueue<Dirty>, Vec<ClientKey>) {
    let config = Config::new(banks * SLOTS + 3).topics(2).permits(usize::MAX);
    let queue = PushQueue::<Dirty>::new(config.on_demand_from(usize::MAX));
    let join = |_| {
        let client = queue.register().unwrap();
        queue.subscribe(client, ALL).unwrap();
        client
    };
    let clients = (0..queue.capacity()).map(join).collect();
    (queue, clients)
}

fn publish(queue: &PushQueue<Dirty>, topics: &[Topic], lane: Lane) -> Version {
    queue.publish(Target::Topics(Scope::any(topics)), lane, ()).unwrap()
}

/// Whom a drain leases, each as often as it does, in order.
fn drain(queue: &PushQueue<Dirty>) -> Vec<ClientKey> {
    let next = || {
        let lease = queue.try_lease()?;
        let client = lease.key();
        lease.complete();
        Some(client)
    };
    let mut leased: Vec<_> = std::iter::from_fn(next).collect();
    leased.sort();
    leased
}

/// Fewer than are worth while, a block of banks, more than one, more than a group, and more than lie apart.
const BANKS: [usize; 7] = [1, 7, 8, 16, 21, 70, 2_100];

#[test]
fn everybody_waits_and_is_pushed_to_once() {
    for (queue, clients) in BANKS.map(queue) {
        let topics: [&[Topic]; 2] = [&[ALL], &[ALL, SOME]];
        for of in topics {
            let versions =
                [Lane::Normal, Lane::Urgent, Lane::Normal].map(|lane| publish(&queue, of, lane));
            assert_eq!(queue.waiting(), clients.len());
            for version in versions {
                assert!(queue.laggards(version).eq(clients.iter().copied()));
            }
            let lease = queue.try_lease().unwrap();
            assert_eq!((lease.lane(), queue.waiting()), (Lane::Urgent, clients.len() - 1));
            assert!(!lease.is_superseded());
            let mut leased = vec![lease.key()];
            lease.complete();
            leased.extend(drain(&queue));
            leased.sort();
            assert_eq!(leased, clients, "once for all three");
            assert!(versions.iter().all(|&version| queue.is_converged(version)));
            assert_eq!(queue.waiting(), 0);
        }
    }
}

/// In some banks somebody is not a member, in some nobody is registered.
#[test]
fn whom_it_does_not_concern_is_left_alone() {
    let (queue, clients) = queue(40);
    let strangers = [3, SLOTS, 17 * SLOTS + 4, clients.len() - 1].map(|at| clients[at]);
    let gone = clients[5 * SLOTS..6 * SLOTS].iter().copied();
    strangers.iter().for_each(|&stranger| queue.unsubscribe(stranger, ALL).unwrap());
    publish(&queue, &[ALL], Lane::Normal);
    drain(&queue); // after this they are forgotten
    gone.clone().for_each(|client| queue.unregister(client).unwrap());
    let mut members: BTreeSet<_> = clients.iter().copied().collect();
    strangers.into_iter().chain(gone).for_each(|client| _ = members.remove(&client));
    for lane in [Lane::Normal, Lane::Urgent] {
        let version = publish(&queue, &[ALL], lane);
        assert_eq!(queue.waiting(), members.len());
        assert!(queue.laggards(version).eq(members.iter().copied()));
        assert!(drain(&queue).iter().eq(&members));
        assert!(queue.is_converged(version));
    }
}

#[test]
fn who_comes_later_owes_nothing_and_who_leaves_holds_nothing_back() {
    let (queue, clients) = queue(20);
    let version = publish(&queue, &[ALL], Lane::Normal);
    let leaving = [0, 7, 8 * SLOTS + 1].map(|at| clients[at]);
    leaving.iter().for_each(|&client| queue.unregister(client).unwrap());
    let newcomers = leaving.map(|_| queue.register().unwrap());
    assert!(
        newcomers
            .iter()
            .all(|newcomer| leaving.iter().any(|left| left.index() == newcomer.index()))
    );
    let later = queue.register_with(Lane::Normal, ());
    assert!(later.is_err(), "there is no room");
    assert_eq!(queue.waiting(), clients.len() - leaving.len());
    let leased = drain(&queue);
    assert_eq!(leased.len(), clients.len() - leaving.len());
    assert!(newcomers.iter().all(|newcomer| !leased.contains(newcomer)), "it was published before");
    assert!(queue.is_converged(version));
}

#[test]
fn a_newcomer_that_starts_with_a_push_gets_that() {
    let (queue, clients) = queue(20);
    publish(&queue, &[ALL], Lane::Urgent);
    queue.unregister(clients[9]).unwrap();
    let newcomer = queue.register_with(Lane::Normal, ()).unwrap();
    let mut leased = 0;
    while let Some(lease) = queue.try_lease() {
        assert_eq!(lease.lane() == Lane::Normal, lease.key() == newcomer);
        lease.complete();
        leased += 1;
    }
    assert_eq!(leased, clients.len(), "each once");
}

/// A push that is in progress does not contain what is published meanwhile.
#[test]
fn who_is_in_progress_is_pushed_to_again() {
    let (queue, clients) = queue(10);
    queue.publish(Target::One(clients[2]), Lane::Normal, ()).unwrap();
    let lease = queue.try_lease().unwrap();
    let version = publish(&queue, &[ALL], Lane::Normal);
    assert!(lease.is_superseded());
    lease.complete();
    assert!(queue.laggards(version).any(|laggard| laggard == clients[2]));
    assert_eq!(drain(&queue), clients);
    assert!(queue.is_converged(version));
}

#[test]
fn a_drain_waits_for_marks_of_whole_banks() {
    let (queue, clients) = queue(10);
    publish(&queue, &[ALL], Lane::Normal);
    queue.close();
    assert!(!queue.is_drained());
    assert_eq!(drain(&queue), clients);
    assert!(queue.is_drained());
    // Also if nobody comes to the banks any more.
    let (queue, clients) = self::queue(10);
    publish(&queue, &[ALL], Lane::Normal);
    queue.close();
    clients.iter().for_each(|&client| queue.unregister(client).unwrap());
    assert!(queue.is_drained());
}

/// A member that is about to be forgotten by the topic is reached, and settles with its next push.
#[test]
fn who_leaves_the_topic_is_told_once_more() {
    let (queue, clients) = queue(10);
    queue.unsubscribe(clients[4], ALL).unwrap();
    queue.publish(Target::One(clients[4]), Lane::Normal, ()).unwrap();
    let lease = queue.try_lease().unwrap();
    queue.publish(Target::One(clients[4]), Lane::Normal, ()).unwrap();
    let version = publish(&queue, &[ALL], Lane::Normal);
    lease.complete();
    assert!(queue.laggards(version).any(|laggard| laggard == clients[4]));
    assert_eq!(drain(&queue), clients);
    let version = publish(&queue, &[ALL], Lane::Normal);
    assert!(queue.laggards(version).all(|laggard| laggard != clients[4]));
}

/// Requests that are recorded for each client are never left to somebody else.
#[test]
fn what_is_recorded_is_marked_by_the_publisher() {
    let config = Config::new(12 * SLOTS).topics(1).permits(usize::MAX).on_demand_from(0);
    let queue = PushQueue::<Bits<1>>::new(config);
    for _ in 0..queue.capacity() {
        queue.subscribe(queue.register().unwrap(), ALL).unwrap();
    }
    queue.publish(Target::Topics(Scope::any(&[ALL])), Lane::Normal, [1]).unwrap();
    let mut leased = 0;
    while let Some(lease) = queue.try_lease() {
        assert_eq!(*lease.request(), [1]);
        lease.complete();
        leased += 1;
    }
    assert_eq!(leased, queue.capacity());
}

#[cfg(feature = "crossbeam-queue")]
mod in_order_of_arrival {
    use pushlane::Signal;
    use pushlane::ready::Fifo;
    use pushlane::storage::Heap;

    use super::*;

    /// How many leases it was told of in all.
    #[derive(Default)]
    struct Told(AtomicUsize);

    impl Signal for Told {
        fn ready(&self, leases: usize) {
            self.0.fetch_add(leases, Relaxed);
        }
    }

    /// In order of arrival, and told to whoever sleeps.
    #[test]
    fn as_many_are_told_of_as_there_are_and_each_bank_is_found() {
        for banks in [8, 30, 90] {
            for of in [&[ALL][..], &[ALL, SOME]] {
                let config = Config::new(banks * SLOTS).topics(2).permits(usize::MAX);
                let config = config.on_demand_from(usize::MAX);
                let queue = PushQueue::<Dirty, Heap, Fifo, Told>::with_parts(
                    config,
                    Dirty,
                    Told::default(),
                );
                for _ in 0..queue.capacity() {
                    queue.subscribe(queue.register().unwrap(), ALL).unwrap();
                }
                queue.publish(Target::Topics(Scope::any(of)), Lane::Normal, ()).unwrap();
                assert_eq!(queue.signal().0.load(Relaxed), banks * SLOTS);
                let mut places = Vec::new();
                while let Some(lease) = queue.try_lease() {
                    places.push(lease.key().index());
                    lease.complete();
                }
                assert!(
                    places.iter().copied().eq(0..banks * SLOTS),
                    "each once, one bank after another"
                );
            }
        }
    }
}

/// Counts a publisher off, also one that fails: the others end then.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

/// Publishers, workers and clients that come and go, all at once. Where a version has converged, all who stay have been
/// told.
#[test]
fn threads_neither_lose_a_mark_nor_converge_early() {
    const PUBLISHES: usize = 30_000;
    let (queue, clients) = queue(9);
    let (staying, going) = clients.split_at(clients.len() - 20);
    let news = [const { AtomicUsize::new(0) }; 2];
    // By client and publisher: the newest that a push contained which has completed.
    let told: Vec<_> = staying.iter().map(|_| [const { AtomicUsize::new(0) }; 2]).collect();
    let are_told = |who: usize, number| told.iter().all(|told| told[who].load(Relaxed) >= number);
    let publishing = AtomicUsize::new(2);
    let serve = || {
        let Some(lease) = queue.try_lease() else { return false };
        // Clients that stay have the first places.
        if let Some(told) = told.get(lease.key().index()) {
            for (told, news) in told.iter().zip(&news) {
                told.store(news.load(Relaxed), Relaxed);
            }
        }
        lease.complete();
        true
    };
    let publish = |who: usize| {
        let _ended = Ended(&publishing);
        for number in 1..=PUBLISHES {
            news[who].store(number, Relaxed);
            let lane = if number % 3 == 0 { Lane::Urgent } else { Lane::Normal };
            let of: &[Topic] = if number % 2 == 0 { &[ALL] } else { &[ALL, SOME] };
            let version = publish(&queue, of, lane);
            if queue.is_converged(version) {
                assert!(are_told(who, number), "converged, and not delivered");
            }
        }
    };
    let is_going_on = || publishing.load(Acquire) > 0;
    std::thread::scope(|scope| {
        let publish = &publish;
        (0..2).for_each(|who| _ = scope.spawn(move || publish(who)));
        (0..2).for_each(|_| {
            scope.spawn(|| {
                while is_going_on() {
                    if !serve() {
                        std::thread::yield_now();
                    }
                }
            });
        });
        scope.spawn(|| {
            let mut going = going.to_vec();
            while is_going_on() {
                for client in &mut going {
                    queue.unregister(*client).unwrap();
                    // The place may be in the hands of a worker for a while.
                    *client = loop {
                        match queue.register() {
                            Ok(newcomer) => break newcomer,
                            Err(_) if is_going_on() => std::thread::yield_now(),
                            Err(_) => return,
                        }
                    };
                    queue.subscribe(*client, ALL).unwrap();
                }
            }
        });
    });
    while serve() {}
    for who in 0..2 {
        assert!(are_told(who, PUBLISHES), "published, and not delivered");
    }
    assert_eq!(queue.waiting(), 0);
}
