//! Queues without a heap: in a `static`, with sizes fixed by their types, over each ready set that
//! can be made in a constant. They are the same code as those on the heap; what differs is how they
//! are made.

use std::collections::BTreeSet;

use pushlane::backlog::{Bits, ChangeSet, Dirty, Locked, Shared};
use pushlane::ready::StaticFifo;
use pushlane::{
    ClientKey, Config, Lane, PushQueue, RegisterError, SLOTS, Scope, Signal, StaticQueue, Target,
    Topic,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn a_queue_in_a_static_serves_several_threads() {
    static QUEUE: StaticQueue<Bits<1>, 2> = StaticQueue::const_new(Config::new(usize::MAX));
    static SERVED: AtomicUsize = AtomicUsize::new(0);
    assert_eq!(QUEUE.capacity(), 2 * SLOTS);
    let clients: Vec<_> = (0..QUEUE.capacity()).map(|_| QUEUE.register().unwrap()).collect();
    QUEUE.publish(Target::Everyone, Lane::Normal, [0b10]).unwrap();
    let workers = [(); 2].map(|()| {
        std::thread::spawn(|| {
            while let Some(lease) = QUEUE.try_lease() {
                assert_eq!(*lease.request(), [0b10]);
                SERVED.fetch_add(1, Relaxed);
                lease.complete();
            }
        })
    });
    for worker in workers {
        worker.join().unwrap();
    }
    // A worker that came while the other held the popped bank may have found nothing.
    while let Some(lease) = QUEUE.try_lease() {
        SERVED.fetch_add(1, Relaxed);
        lease.complete();
    }
    assert_eq!(SERVED.load(Relaxed), clients.len());
}

#[test]
fn fewer_clients_than_there_is_room_for() {
    static QUEUE: StaticQueue<Dirty, 3, 2> =
        StaticQueue::const_new(Config::new(SLOTS + 1).topics(2).permits(3));
    assert_eq!((QUEUE.capacity(), QUEUE.topics(), QUEUE.permits()), (SLOTS + 1, 2, 3));
    let clients: Vec<_> = (0..=SLOTS).map(|_| QUEUE.register().unwrap()).collect();
    assert_eq!(QUEUE.register(), Err(RegisterError::Full));
    let places: BTreeSet<_> = clients.iter().map(|client| client.index()).collect();
    assert!(places.into_iter().eq(0..=SLOTS));
    // Also when the first bank that is searched is full.
    for left in [clients[0], clients[SLOTS]] {
        QUEUE.unregister(left).unwrap();
    }
    let back: BTreeSet<_> = [(); 2].map(|()| QUEUE.register().unwrap().index()).into();
    assert_eq!(back, [0, SLOTS].into());
}

#[test]
fn no_clients_at_all() {
    static QUEUE: StaticQueue<Dirty, 1> = StaticQueue::const_new(Config::new(0));
    assert_eq!(QUEUE.register(), Err(RegisterError::Full));
    assert!(QUEUE.is_converged(QUEUE.publish(Target::Everyone, Lane::Normal, ()).unwrap()));
}

#[test]
fn topics_scope_as_on_the_heap() {
    static QUEUE: StaticQueue<Dirty, 2, 3> = StaticQueue::const_new(Config::new(SLOTS + 5));
    let clients: Vec<_> = (0..SLOTS + 5).map(|_| QUEUE.register().unwrap()).collect();
    let [concerned, only_one] = [clients[SLOTS + 4], clients[0]];
    for (client, topic) in [(concerned, 0), (concerned, 2), (only_one, 0)] {
        QUEUE.subscribe(client, Topic(topic)).unwrap();
    }
    let scope = Scope::any(&[Topic(0), Topic(1)]).and_any(&[Topic(2)]);
    QUEUE.publish(Target::Topics(scope), Lane::Urgent, ()).unwrap();
    let lease = QUEUE.try_lease().unwrap();
    assert_eq!(lease.key(), concerned);
    assert!(QUEUE.try_lease().is_none());
}

#[test]
fn more_banks_than_one_word_has_bits_are_swept() {
    const BANKS: usize = usize::BITS as usize + 6;
    let queue: Box<StaticQueue<Dirty, BANKS, 0, 2>> =
        Box::new(StaticQueue::const_new(Config::new(usize::MAX).permits(usize::MAX)));
    let clients: Vec<_> = (0..BANKS * SLOTS).map(|_| queue.register().unwrap()).collect();
    for _ in 0..2 {
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let mut served = BTreeSet::new();
        while let Some(lease) = queue.try_lease() {
            assert!(served.insert(lease.key()));
            lease.complete();
        }
        assert!(served.iter().eq(&clients));
    }
}

#[test]
fn arrival_order_without_a_heap() {
    type InOrder<const N: usize> = StaticQueue<Dirty, 4, 0, 1, StaticFifo<N>>;
    static QUEUE: InOrder<4> = StaticQueue::const_new(Config::new(4 * SLOTS));
    let clients: Vec<_> = (0..4 * SLOTS).map(|_| QUEUE.register().unwrap()).collect();
    let banks = [3, 0, 2, 1];
    // More rounds than the queue has places: none of them stays occupied.
    for round in 0..20 {
        let order = [0, 1, 2, 3].map(|place| clients[banks[(place + round) % 4] * SLOTS]);
        for client in order {
            QUEUE.publish(Target::One(client), Lane::Normal, ()).unwrap();
            QUEUE.publish(Target::One(client), Lane::Normal, ()).unwrap();
        }
        let served: [ClientKey; 4] = std::array::from_fn(|_| {
            let lease = QUEUE.try_lease().unwrap();
            let client = lease.key();
            lease.complete();
            client
        });
        assert_eq!(served, order);
        assert!(QUEUE.try_lease().is_none());
    }
}

#[test]
fn requests_that_merge_in_a_static() {
    static LOCKED: StaticQueue<Locked<Option<()>>, 1> = StaticQueue::const_new(Config::new(1));
    static SHARED: StaticQueue<Shared<ChangeSet<u32>>, 1> = StaticQueue::const_new(Config::new(1));
    let client = LOCKED.register_with(Lane::Normal, None).unwrap();
    LOCKED.publish(Target::One(client), Lane::Normal, Some(())).unwrap();
    assert_eq!(*LOCKED.try_lease().unwrap().request(), Some(()));

    let client = SHARED.register_with(Lane::Normal, Arc::new(ChangeSet::from([1]))).unwrap();
    SHARED.publish(Target::One(client), Lane::Normal, Arc::new(ChangeSet::from([2]))).unwrap();
    assert_eq!(**SHARED.try_lease().unwrap().request(), ChangeSet::from([1, 2]));
}

#[test]
fn a_signal_in_a_static() {
    struct Count(AtomicUsize);
    impl Signal for Count {
        fn ready(&self, leases: usize) {
            self.0.fetch_add(leases, Relaxed);
        }
    }
    static QUEUE: StaticQueue<Dirty, 1, 0, 1, StaticFifo<2>, Count> =
        PushQueue::const_with_signal(Config::new(3), Count(AtomicUsize::new(0)));
    for _ in 0..3 {
        QUEUE.register().unwrap();
    }
    QUEUE.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    assert_eq!(QUEUE.signal().0.load(Relaxed), 3);
}
