//! The cases of Istio's push queue tests that apply to this queue, each written for this API and
//! named after what it checks. What those tests do not check is in `istio_gaps.rs`.
//!
//! The six cases about debouncing are among the tests of `debounce`, which is not part of the
//! queue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use pushlane::backlog::{Dirty, Locked, Merge, Shared};
use pushlane::ready::Fifo;
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, SLOTS, Signal, Target};

type Keys = BTreeSet<u32>;

/// After so many fruitless looks nothing more will come: what is missing then is lost.
const ENOUGH: u32 = 1_000_000;

type InOrder<B> = PushQueue<B, Heap<Fifo>>;

fn in_order<B: pushlane::backlog::Backlog + Default>(config: Config) -> InOrder<B> {
    PushQueue::with_parts(config, B::default(), NoSignal)
}

fn keys<const N: usize>(keys: [u32; N]) -> Keys {
    Keys::from(keys)
}

/// Clients of different banks, so that the order of arrival shows.
fn apart<B, R, N>(queue: &PushQueue<B, Heap<R>, N>, clients: usize) -> Vec<ClientKey>
where
    B: pushlane::backlog::Backlog,
    R: pushlane::ready::ReadySet,
    N: Signal,
{
    let all: Vec<_> = (0..clients * SLOTS).map(|_| queue.register().unwrap()).collect();
    all.into_iter().step_by(SLOTS).collect()
}

/// Waits for work as an adapter would: one message for each look that may find some.
struct Bell(mpsc::SyncSender<usize>);

impl Signal for Bell {
    fn ready(&self, leases: usize) {
        let _ = self.0.try_send(leases);
    }
}

#[test]
fn clients_are_served_in_the_order_in_which_they_were_added() {
    let queue = in_order::<Dirty>(Config::new(3 * SLOTS));
    let clients = apart(&queue, 3);
    for client in [2, 0, 1] {
        queue.publish(Target::One(clients[client]), Lane::Normal, ()).unwrap();
    }
    let served = [(); 3].map(|()| queue.try_lease().unwrap());
    assert_eq!(served.map(|lease| lease.key()), [clients[2], clients[0], clients[1]]);
}

#[test]
fn there_is_nothing_to_lease_until_something_is_added() {
    let (bell, rings) = mpsc::sync_channel(1);
    let queue = PushQueue::<Dirty, Heap<Fifo>, _>::with_parts(Config::new(1), Dirty, Bell(bell));
    let client = queue.register().unwrap();
    assert!(queue.try_lease().is_none());
    let leased = thread::scope(|scope| {
        let queue = &queue;
        let waiter = scope.spawn(move || {
            rings.recv().unwrap();
            queue.try_lease().expect("that was the ring").key()
        });
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        waiter.join().unwrap()
    });
    assert_eq!(leased, client);
}

#[test]
fn of_two_that_ask_one_gets_what_was_added_and_the_other_goes_on_waiting() {
    let (bell, rings) = mpsc::sync_channel(8);
    let queue = PushQueue::<Dirty, Heap<Fifo>, _>::with_parts(Config::new(1), Dirty, Bell(bell));
    let client = queue.register().unwrap();
    queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
    let leases = [queue.try_lease(), queue.try_lease()];
    assert_eq!(leases.iter().flatten().count(), 1);
    assert_eq!(rings.try_iter().collect::<Vec<_>>(), [1], "one was told, for one lease");
}

#[test]
fn a_client_added_again_while_it_waits_keeps_its_turn_and_is_served_once() {
    let queue = in_order::<Dirty>(Config::new(2 * SLOTS));
    let clients = apart(&queue, 2);
    for client in [0, 1, 0] {
        queue.publish(Target::One(clients[client]), Lane::Normal, ()).unwrap();
    }
    let (a, b) = (queue.try_lease().unwrap(), queue.try_lease().unwrap());
    assert_eq!([a.key(), b.key()], [clients[0], clients[1]]);
    a.complete();
    b.complete();
    assert!(queue.try_lease().is_none());
}

#[test]
fn a_client_added_after_its_push_is_served_once_more() {
    let queue = in_order::<Locked<Keys>>(Config::new(1));
    let client = queue.register_with(Lane::Normal, keys([1])).unwrap();
    queue.try_lease().unwrap().complete();
    assert!(queue.try_lease().is_none());
    queue.publish(Target::One(client), Lane::Normal, keys([2])).unwrap();
    let lease = queue.try_lease().unwrap();
    assert_eq!(*lease.request(), keys([2]), "what was delivered is not sent again");
    lease.complete();
    assert!(queue.try_lease().is_none());
}

#[test]
fn a_client_added_twice_during_its_push_is_served_exactly_once_more() {
    let queue = in_order::<Locked<Keys>>(Config::new(1));
    let client = queue.register_with(Lane::Normal, keys([1])).unwrap();
    let first = queue.try_lease().unwrap();
    for key in [2, 3] {
        queue.publish(Target::One(client), Lane::Normal, keys([key])).unwrap();
    }
    assert!(queue.try_lease().is_none(), "one push at a time");
    first.complete();
    let second = queue.try_lease().unwrap();
    assert_eq!(*second.request(), keys([2, 3]));
    second.complete();
    assert!(queue.try_lease().is_none());
}

#[derive(Clone, Debug, PartialEq)]
struct Push {
    start: u64,
    keys: Keys,
}

impl Merge for Push {
    fn merge(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.keys.merge(&other.keys);
    }
}

#[test]
fn a_merge_keeps_the_first_start_and_all_keys() {
    let queue = in_order::<Locked<Push>>(Config::new(1));
    let first = Push { start: 10, keys: keys([1, 2]) };
    let client = queue.register_with(Lane::Normal, first).unwrap();
    for (start, key) in [(20, 2), (30, 3)] {
        let later = Push { start, keys: keys([key]) };
        queue.publish(Target::One(client), Lane::Normal, later).unwrap();
    }
    let lease = queue.try_lease().unwrap();
    assert_eq!(*lease.request(), Push { start: 10, keys: keys([1, 2, 3]) });
    assert_eq!(lease.lane(), Lane::Normal);
}

#[test]
fn every_key_of_every_client_arrives_when_all_are_added_at_once() {
    const CLIENTS: usize = 100;
    let queue = in_order::<Locked<Keys>>(Config::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS).map(|_| queue.register().unwrap()).collect();
    let mut arrived = vec![Keys::new(); CLIENTS];
    thread::scope(|scope| {
        for publisher in 0..4 {
            let (queue, clients) = (&queue, &clients);
            scope.spawn(move || {
                for key in (publisher..100).step_by(4) {
                    for client in clients {
                        queue.publish(Target::One(*client), Lane::Normal, keys([key])).unwrap();
                    }
                }
            });
        }
        let mut visits_in_vain = 0;
        while arrived.iter().any(|keys| keys.len() < 100) && visits_in_vain < ENOUGH {
            match queue.try_lease() {
                Some(lease) => {
                    arrived[lease.key().index()].extend(lease.request());
                    lease.complete();
                    visits_in_vain = 0;
                }
                None => {
                    thread::yield_now();
                    visits_in_vain += 1;
                }
            }
        }
    });
    assert!(arrived.iter().all(|keys| keys.iter().copied().eq(0..100)));
    assert!(queue.try_lease().is_none());
}

#[test]
fn what_was_added_in_order_is_delivered_in_order() {
    let queue = in_order::<Locked<Keys>>(Config::new(1));
    let client = queue.register().unwrap();
    let (deliver, stream) = mpsc::sync_channel::<Keys>(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for key in 0..100 {
                queue.publish(Target::One(client), Lane::Normal, keys([key])).unwrap();
            }
            queue.close();
        });
        let queue = &queue;
        scope.spawn(move || {
            let mut visits_in_vain = 0;
            while !queue.is_drained() && visits_in_vain < ENOUGH {
                match queue.try_lease() {
                    Some(lease) => {
                        deliver.send(lease.request().clone()).unwrap();
                        lease.complete();
                        visits_in_vain = 0;
                    }
                    None => {
                        thread::yield_now();
                        visits_in_vain += 1;
                    }
                }
            }
        });
        let received: Vec<u32> = stream.iter().flatten().collect();
        assert!(received.into_iter().eq(0..100), "later keys only in later deliveries");
    });
}

#[test]
fn with_two_permits_five_clients_are_all_served_in_every_round() {
    let queue = in_order::<Locked<Keys>>(Config::new(5).permits(2));
    let clients: Vec<_> = (0..5).map(|_| queue.register().unwrap()).collect();
    let mut rounds = [0; 5];
    for round in 0..100 {
        queue.publish(Target::Everyone, Lane::Normal, keys([round])).unwrap();
        let mut in_progress = Vec::new();
        loop {
            match queue.try_lease() {
                Some(lease) => in_progress.push(lease),
                None if in_progress.is_empty() => break,
                None => {
                    assert!(in_progress.len() <= 2);
                    let lease = in_progress.remove(0);
                    assert_eq!(*lease.request(), keys([round]));
                    rounds[lease.key().index()] += 1;
                    lease.complete();
                }
            }
        }
    }
    assert_eq!(rounds, [100; 5]);
    assert_eq!((queue.permits_held(), queue.clients()), (0, clients.len()));
}

#[test]
fn one_push_reaches_everybody_exactly_once() {
    let queue = in_order::<Locked<Keys>>(Config::new(100));
    let clients: Vec<_> = (0..100).map(|_| queue.register().unwrap()).collect();
    queue.publish(Target::Everyone, Lane::Normal, keys([7])).unwrap();
    let mut served = Vec::new();
    while let Some(lease) = queue.try_lease() {
        assert_eq!(*lease.request(), keys([7]));
        served.push(lease.key());
        lease.complete();
    }
    served.sort();
    assert_eq!(served, clients);
}

#[test]
fn nothing_of_a_departed_client_stays_in_memory() {
    let queue = in_order::<Shared<Keys>>(Config::new(2));
    // A request each, because clients of one bank that owe the same share it.
    let [ours, theirs] = [1, 2].map(|key| Arc::new(keys([key])));
    let waiting = queue.register_with(Lane::Normal, Arc::clone(&ours)).unwrap();
    let leased = queue.register_with(Lane::Urgent, Arc::clone(&theirs)).unwrap();
    assert_eq!([&ours, &theirs].map(Arc::strong_count), [2, 2]);

    queue.unregister(waiting).unwrap();
    assert_eq!(Arc::strong_count(&ours), 1, "at once, not when its turn would have come");
    let lease = queue.try_lease().unwrap();
    assert_eq!(lease.key(), leased);
    queue.unregister(leased).unwrap();
    lease.requeue();
    assert_eq!(Arc::strong_count(&theirs), 1, "also what its last push gave back");
    assert_eq!(queue.clients(), 0);
    assert!(queue.try_lease().is_none());
}
