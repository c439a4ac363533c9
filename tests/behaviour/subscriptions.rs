//! Subscriptions to keys, while clients come and go and publishers look keys up.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, Stale, Subscriptions, Target};

fn queue(clients: usize) -> PushQueue<Dirty> {
    PushQueue::new(Config::new(clients))
}

fn clients(queue: &PushQueue<Dirty>, count: usize) -> Vec<ClientKey> {
    (0..count).map(|_| queue.register().unwrap()).collect()
}

/// Subscribe, then read; write, then look up: one of the two sees the other.
#[test]
fn the_publisher_finds_the_subscriber_or_the_subscriber_reads_the_change() {
    const ROUNDS: usize = 20_000;
    let queue = queue(1);
    let client = queue.register().unwrap();
    let watched = Subscriptions::<usize>::new();
    // Relaxed: it is the table that orders them.
    let states: Vec<_> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    let start = Barrier::new(2);
    let (found, read) = thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let publish = |round: usize| {
                start.wait();
                states[round].store(1, Relaxed);
                watched.clients(&round) == [client]
            };
            (0..ROUNDS).map(publish).collect::<Vec<_>>()
        });
        let subscriber = scope.spawn(|| {
            let subscribe = |round: usize| {
                start.wait();
                match round % 2 {
                    0 => watched.subscribe(client, round).unwrap(),
                    _ => watched.set(client, [round]).unwrap(),
                }
                states[round].load(Relaxed) == 1
            };
            (0..ROUNDS).map(subscribe).collect::<Vec<_>>()
        });
        (publisher.join().unwrap(), subscriber.join().unwrap())
    });
    for round in 0..ROUNDS {
        assert!(found[round] || read[round], "round {round}: neither saw the other");
    }
}

/// A key whose destructor has another thread use the table, and waits for it.
#[derive(PartialEq, Eq, Hash)]
struct Nosy(u32);

static NOSY: LazyLock<Subscriptions<Nosy>> = LazyLock::new(Subscriptions::new);

impl Drop for Nosy {
    fn drop(&mut self) {
        let key = self.0;
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let all = NOSY.keys() + NOSY.subscribers();
            let asked = ManuallyDrop::new(Nosy(key));
            done.send(all + NOSY.clients(&*asked).len())
        });
        let answer = is_done.recv_timeout(Duration::from_secs(10));
        assert!(answer.is_ok() || thread::panicking(), "key {key} is dropped under a lock");
    }
}

#[test]
fn no_key_is_dropped_under_a_lock() {
    let queue = queue(1);
    let first = queue.register().unwrap();
    NOSY.set(first, [1, 1, 2].map(Nosy)).unwrap();
    NOSY.set(first, [2, 3].map(Nosy)).unwrap();
    NOSY.subscribe(first, Nosy(3)).unwrap();
    assert!(NOSY.unsubscribe(first, &Nosy(2)));
    queue.unregister(first).unwrap();
    // The place's next client ends the subscriptions of the first.
    let second = queue.register().unwrap();
    NOSY.subscribe(second, Nosy(4)).unwrap();
    assert_eq!((NOSY.keys(), NOSY.clients(&Nosy(4))), (1, vec![second]));
    assert_eq!(NOSY.subscribe(first, Nosy(4)), Err(Stale));
    assert_eq!(NOSY.leave(second), 1);
}

/// A key that panics when it is compared with a fuse. A fuse's destructor has another thread use
/// the table, and waits for it.
struct Fragile {
    key: u32,
    is_fuse: bool,
}

static FRAGILE: LazyLock<Subscriptions<Fragile>> = LazyLock::new(Subscriptions::new);
static FREE: AtomicUsize = AtomicUsize::new(0);

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.is_fuse && !other.is_fuse, "a comparison that fails");
        self.key == other.key
    }
}

impl Eq for Fragile {}

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if self.is_fuse {
            let (done, is_done) = mpsc::channel();
            thread::spawn(move || done.send(FRAGILE.keys() + FRAGILE.subscribers()));
            let answer = is_done.recv_timeout(Duration::from_secs(10));
            FREE.fetch_add(usize::from(answer.is_ok()), Relaxed);
        }
    }
}

#[test]
fn a_comparison_that_panics_leaves_no_trace_and_no_lock() {
    let queue = queue(2);
    let (one, other) = (queue.register().unwrap(), queue.register().unwrap());
    let key = |is_fuse| Fragile { key: 1, is_fuse };
    FRAGILE.subscribe(one, key(false)).unwrap();
    let subscribe = || FRAGILE.subscribe(other, key(true));
    let set = || FRAGILE.set(other, [key(true)]);
    assert!(catch_unwind(subscribe).is_err() && catch_unwind(set).is_err());
    assert_eq!(FREE.load(Relaxed), 2, "no key was dropped under a lock");
    assert_eq!((FRAGILE.keys(), FRAGILE.subscribers()), (1, 1));
    FRAGILE.subscribe(other, key(false)).unwrap();
    assert_eq!(FRAGILE.clients(&key(false)), [one, other]);
}

/// While others come and go, a subscription that stays is found each time.
#[test]
fn every_lookup_finds_a_client_that_has_subscribed_and_stays() {
    let queue = queue(64);
    let all = clients(&queue, 64);
    let watched = Subscriptions::<u64>::new();
    let (staying, moving) = (all[0], &all[1..]);
    watched.subscribe(staying, 1).unwrap();
    thread::scope(|scope| {
        let movers: Vec<_> = moving
            .chunks(32)
            .map(|some| {
                let watched = &watched;
                scope.spawn(move || {
                    for round in 0..200 {
                        for &client in some {
                            watched.set(client, [round % 3, 7]).unwrap();
                        }
                        some.iter().for_each(|&client| _ = watched.leave(client));
                    }
                })
            })
            .collect();
        while movers.iter().any(|mover| !mover.is_finished()) {
            assert!(watched.clients(&1).contains(&staying));
            // It is always under one of the two keys that it moves between.
            let before = watched.clients(&10).contains(&staying);
            watched.set(staying, if before { [1, 11] } else { [1, 10] }).unwrap();
            assert!(watched.clients_of_any(&[10, 11]).contains(&staying));
        }
    });
    assert_eq!(watched.clients_of_any(&[0, 1, 2, 7]), [staying]);
    assert_eq!((watched.keys(), watched.subscribers()), (2, 1));
}

/// A key is removed with its last subscriber while the next one subscribes, which is not lost.
#[test]
fn a_key_that_loses_its_last_subscriber_keeps_the_next() {
    let queue = queue(2);
    let watched = Subscriptions::<u64>::new();
    thread::scope(|scope| {
        for client in clients(&queue, 2) {
            let watched = &watched;
            scope.spawn(move || {
                for _ in 0..50_000 {
                    watched.subscribe(client, 1).unwrap();
                    assert!(watched.clients(&1).contains(&client));
                    assert!(watched.unsubscribe(client, &1));
                }
            });
        }
    });
    assert_eq!((watched.keys(), watched.subscribers()), (0, 0));
}

/// A simple random sequence, the same each time.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

/// Each thread has its own clients, and all share the keys. At the end the table holds what the
/// threads remember, and nothing once all have left.
#[test]
fn the_table_is_exact_after_any_operations_and_empty_when_all_have_left() {
    const KEYS: u64 = 40;
    let queue = queue(30);
    let all = clients(&queue, 30);
    let watched = Subscriptions::<String>::new();
    let work = |(thread, some): (u64, &[ClientKey])| {
        let mut seed = thread + 1;
        let mut own: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); some.len()];
        for _ in 0..3_000 {
            let at = next(&mut seed) as usize % some.len();
            let (client, key) = (some[at], next(&mut seed) % KEYS);
            match next(&mut seed) % 8 {
                0..3 => {
                    watched.subscribe(client, key.to_string()).unwrap();
                    own[at].insert(key);
                }
                3..5 => {
                    let was = watched.unsubscribe(client, key.to_string().as_str());
                    assert_eq!(was, own[at].remove(&key));
                }
                5..7 => {
                    // With repetitions.
                    let keys = || (0..6).map(|step| (key + step * step) % KEYS % 7 * 5);
                    watched.set(client, keys().map(|key| key.to_string())).unwrap();
                    own[at] = keys().collect();
                }
                _ => {
                    assert_eq!(watched.leave(client), own[at].len());
                    own[at].clear();
                }
            }
        }
        own
    };
    let own: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(all.chunks(10))
            .map(|part| {
                let work = &work;
                scope.spawn(move || work(part))
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut keys = 0;
    for key in 0..KEYS {
        let expected: Vec<_> =
            all.iter().zip(&own).filter(|(_, own)| own.contains(&key)).map(|(c, _)| *c).collect();
        assert_eq!(watched.clients(key.to_string().as_str()), expected, "key {key}");
        keys += usize::from(!expected.is_empty());
    }
    assert_eq!(watched.keys(), keys);
    assert_eq!(watched.subscribers(), own.iter().filter(|own| !own.is_empty()).count());
    all.iter().for_each(|&client| _ = watched.leave(client));
    assert_eq!((watched.keys(), watched.subscribers()), (0, 0));
}

#[test]
fn a_client_that_left_without_a_word_goes_with_the_next_one_of_its_place() {
    let queue = queue(1);
    let watched = Subscriptions::<u64>::new();
    let first = queue.register().unwrap();
    watched.set(first, [1, 2, 3]).unwrap();
    queue.unregister(first).unwrap();
    let second = queue.register().unwrap();
    assert_eq!(watched.clients(&1), [first], "nobody has told the table");
    watched.subscribe(second, 3).unwrap();
    assert_eq!((watched.keys(), watched.subscribers()), (1, 1));
    assert_eq!(watched.clients(&3), [second]);
    // What was late is refused, and takes nothing from the other.
    assert_eq!(watched.subscribe(first, 1), Err(Stale));
    assert_eq!(watched.set(first, [1]), Err(Stale));
    assert!(!watched.unsubscribe(first, &3));
    assert_eq!(watched.leave(first), 0);
    assert_eq!(watched.clients(&3), [second]);
}

#[test]
fn clients_that_are_gone_are_dropped_when_they_are_met() {
    let queue = queue(10);
    let all = clients(&queue, 10);
    let watched = Subscriptions::<u64>::new();
    all.iter().for_each(|&client| watched.set(client, [1, client.index() as u64 + 10]).unwrap());
    all[3..].iter().for_each(|&client| queue.unregister(client).unwrap());
    assert_eq!(watched.present(&1, |client| queue.is_registered(client)), all[..3]);
    assert_eq!((watched.keys(), watched.subscribers()), (4, 3));
    queue.unregister(all[0]).unwrap();
    watched.retain(|client| queue.is_registered(client));
    assert_eq!(watched.clients(&1), all[1..3]);
}

/// Keys with one hash are told apart.
#[test]
fn keys_that_collide_have_their_own_members() {
    #[derive(PartialEq, Eq)]
    struct Same(u8);

    impl Hash for Same {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    let queue = queue(3);
    let all = clients(&queue, 3);
    let watched = Subscriptions::<Same>::new();
    for (client, keys) in all.iter().zip([[0, 1], [1, 2], [2, 0]]) {
        watched.set(*client, keys.map(Same)).unwrap();
    }
    assert_eq!(watched.keys(), 3);
    assert_eq!(watched.clients(&Same(0)), [all[0], all[2]]);
    assert_eq!(watched.clients(&Same(1)), [all[0], all[1]]);
    watched.leave(all[0]);
    watched.unsubscribe(all[1], &Same(1));
    assert_eq!((watched.keys(), watched.clients(&Same(1)).len()), (2, 0));
    assert_eq!(watched.clients(&Same(2)), [all[1], all[2]]);
    watched.leave(all[1]);
    watched.leave(all[2]);
    assert_eq!((watched.keys(), watched.clients(&Same(2)).len()), (0, 0));
}

/// Publishers write a state, look up and publish; workers deliver what they read; at the end every
/// client has the newest state of each of its keys.
#[test]
fn what_is_published_to_a_key_reaches_its_subscribers() {
    const KEYS: usize = 8;
    let queue = queue(16);
    let watched = Subscriptions::<usize>::new();
    let states: Vec<_> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let seen: Vec<Vec<AtomicU64>> =
        (0..16).map(|_| (0..KEYS).map(|_| AtomicU64::new(0)).collect()).collect();
    let deliver = |client: ClientKey| {
        for (key, state) in states.iter().enumerate() {
            seen[client.index()][key].fetch_max(state.load(Relaxed), Relaxed);
        }
    };
    let drain = || {
        while let Some(lease) = queue.try_lease() {
            deliver(lease.key());
            lease.complete();
        }
    };
    let all = thread::scope(|scope| {
        for publisher in 0..2 {
            let (states, watched, queue) = (&states, &watched, &queue);
            scope.spawn(move || {
                for round in 0..2_000 {
                    let key = (round * 3 + publisher) % KEYS;
                    states[key].fetch_add(1, Relaxed);
                    for client in watched.clients(&key) {
                        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
                    }
                }
            });
        }
        scope.spawn(|| (0..1_000).for_each(|_| drain()));
        let subscriber = scope.spawn(|| {
            let all = clients(&queue, 16);
            for &client in &all {
                watched.set(client, 0..KEYS).unwrap();
                deliver(client); // what it starts from
            }
            all
        });
        subscriber.join().unwrap()
    });
    drain();
    for client in all {
        for key in 0..KEYS {
            let (has, is) = (seen[client.index()][key].load(Relaxed), states[key].load(Relaxed));
            assert_eq!(has, is, "client {client}, key {key}");
        }
    }
}
