//! `ClientMap`: values of clients that register and leave during pushes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use pushlane::backlog::{Dirty, Locked, Merge};
use pushlane::{ClientMap, Config, ConnectErrorKind, Lane, PushQueue, Scope, Target, Topic};

const CLIENTS: usize = 20;
const ROUNDS: usize = 300;

/// A value that names its client, and counts the values alive.
struct Value {
    topic: Topic,
    alive: Arc<AtomicUsize>,
}

impl Value {
    fn new(topic: Topic, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Value { topic, alive: Arc::clone(alive) }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

#[test]
fn every_push_of_a_client_that_stays_finds_its_value_however_early_it_comes() {
    let queue = PushQueue::<Dirty>::new(Config::new(CLIENTS).topics(2));
    let clients = ClientMap::<Value>::for_queue(&queue);
    let (alive, done) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let served = thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            while !done.load(SeqCst) {
                queue.publish(Target::Everyone, Lane::Urgent, ()).unwrap();
                let topics = [Topic(1)];
                queue.publish(Target::Topics(Scope::any(&topics)), Lane::Normal, ()).unwrap();
                thread::yield_now();
            }
        });
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !done.load(SeqCst) {
                        let Some(lease) = queue.try_lease() else {
                            thread::yield_now();
                            continue;
                        };
                        let key = lease.key();
                        match clients.get(key) {
                            Some(value) => assert!(value.topic.0 < 2),
                            // The value is dropped before the place comes back, so wait for the
                            // place.
                            None => {
                                assert!(clients.get(key).is_none());
                                while queue.is_registered(key) && !done.load(SeqCst) {
                                    assert!(clients.get(key).is_none(), "{key} came late");
                                    thread::yield_now();
                                }
                            }
                        }
                        served += 1;
                        lease.complete();
                    }
                    served
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let topic = Topic(round as u32 % 2);
            let connect = |_| {
                let value = Value::new(topic, &alive);
                clients.connect(&queue, value, [topic], Lane::Normal, ()).ok()
            };
            // Places are given back when the pushes of the last clients have ended.
            let keys: Vec<_> = (0..CLIENTS).filter_map(connect).collect();
            for &key in &keys {
                assert_eq!(clients.get(key).expect("connected").topic, topic);
            }
            for &key in &keys {
                assert!(clients.disconnect(&queue, key).is_some());
                assert!(clients.get(key).is_none() && clients.disconnect(&queue, key).is_none());
            }
        }
        done.store(true, SeqCst);
        publisher.join().unwrap();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
    });
    assert!(served > 0);
    assert_eq!((clients.iter().count(), alive.load(SeqCst)), (0, 0));
}

#[test]
fn what_an_evicted_client_left_goes_when_its_place_has_another_client() {
    let queue = PushQueue::<Dirty>::new(Config::new(1));
    let clients = ClientMap::<Value>::for_queue(&queue);
    let alive = Arc::new(AtomicUsize::new(0));
    let connect =
        || clients.connect(&queue, Value::new(Topic(0), &alive), [], Lane::Normal, ()).unwrap();
    let first = connect();
    queue.unregister(first).unwrap();
    let second = connect();
    assert!(clients.get(first).is_none() && clients.get(second).is_some());
    assert!(clients.disconnect(&queue, first).is_none(), "not the value of another client");
    assert!(queue.is_registered(second));
    assert_eq!(alive.load(SeqCst), 1);
    assert!(clients.iter().map(|(key, _)| key).eq([second]));
}

#[test]
fn the_first_push_carries_what_the_client_starts_from_and_comes_once() {
    let queue = PushQueue::<Dirty>::new(Config::new(4).topics(1));
    let clients = ClientMap::<u32>::for_queue(&queue);
    let key = clients.connect(&queue, 1, [Topic(0)], Lane::Urgent, ()).unwrap();
    let lease = queue.try_lease().expect("the first push");
    assert_eq!((lease.key(), lease.lane()), (key, Lane::Urgent));
    lease.complete();
    assert!(queue.try_lease().is_none());
    queue.publish(Target::Topics(Scope::any(&[Topic(0)])), Lane::Normal, ()).unwrap();
    assert!(queue.try_lease().is_some(), "it is subscribed");
}

#[derive(Debug, Clone)]
struct Bomb;

impl Merge for Bomb {
    fn merge(&mut self, _: &Self) {
        panic!("a merge that fails");
    }
}

#[test]
fn a_client_whose_first_publish_panics_is_not_connected() {
    let queue = PushQueue::<Locked<Bomb>>::new(Config::new(2));
    let clients = ClientMap::<u32>::for_queue(&queue);
    // Publishes to all registered clients until the merge fails.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    let _ = queue.publish(Target::Everyone, Lane::Normal, Bomb);
                }));
            }
        });
        let mut failed = false;
        while !failed {
            let connect = || clients.connect(&queue, 7, [], Lane::Normal, Bomb);
            match catch_unwind(AssertUnwindSafe(connect)) {
                Ok(connected) => {
                    clients.disconnect(&queue, connected.unwrap()).expect("connected");
                }
                Err(_) => failed = true,
            }
            assert_eq!(clients.iter().count(), 0);
        }
        done.store(true, SeqCst);
    });
    assert_eq!(queue.clients(), 0, "no place is lost");
}

#[test]
fn a_value_before_that_panics_does_not_leave_the_newcomer_behind() {
    struct Fuse(bool);

    impl Drop for Fuse {
        fn drop(&mut self) {
            assert!(!self.0, "a destructor that fails");
        }
    }

    let queue = PushQueue::<Dirty>::new(Config::new(1));
    let clients = ClientMap::<Fuse>::for_queue(&queue);
    let connect = |fuse| clients.connect(&queue, Fuse(fuse), [], Lane::Normal, ());
    let evicted = connect(true).unwrap();
    queue.unregister(evicted).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| connect(false).is_ok())).is_err());
    assert_eq!((queue.clients(), clients.iter().count()), (0, 0));
    assert!(connect(false).is_ok());
}

#[test]
fn a_closed_queue_gives_the_value_back() {
    let queue = PushQueue::<Dirty>::new(Config::new(2));
    let clients = ClientMap::<u32>::for_queue(&queue);
    queue.close();
    let error = clients.connect(&queue, 5, [], Lane::Normal, ()).unwrap_err();
    assert_eq!((error.kind, *error.value), (ConnectErrorKind::Closed, 5));
    assert_eq!((queue.clients(), clients.iter().count()), (0, 0));
}

#[test]
fn a_map_for_a_smaller_queue_gives_the_value_back() {
    let queue = PushQueue::<Dirty>::new(Config::new(2));
    let clients = ClientMap::<u32>::new(queue.capacity() - 1);
    let error = clients.connect(&queue, 5, [], Lane::Normal, ()).unwrap_err();
    assert_eq!((error.kind, *error.value), (ConnectErrorKind::SmallerMap, 5));
    assert_eq!(error.to_string(), "the map has fewer places than the queue");
    assert_eq!((queue.clients(), clients.iter().count()), (0, 0));
}
