//! The journal: publishes to everyone are in a ring, all others in the inner backlog, and each
//! lease holds both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pushlane::backlog::{Backlog, Bits, ChangeSet, Everything, Journal, Locked, Merge, Shared};
use pushlane::{ClientKey, Config, Lane, PushQueue, Queue, Scope, Target, Topic};

type Changes = ChangeSet<u32>;
type Small<const N: usize> = PushQueue<Journal<Locked<Changes>, N>>;

fn queue<const N: usize>(clients: usize) -> (Small<N>, Vec<ClientKey>) {
    let queue = Small::<N>::new(Config::new(clients).topics(3));
    let clients = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

fn publish<const N: usize>(queue: &Small<N>, target: Target<'_>, change: u32) {
    queue.publish(target, Lane::Normal, ChangeSet::from([change])).unwrap();
}

/// Leases every client that is ready, in order, and completes.
fn serve<const N: usize>(queue: &Small<N>) -> Vec<(ClientKey, Changes)> {
    std::iter::from_fn(|| {
        let lease = queue.try_lease()?;
        let told = (lease.key(), Changes::clone(lease.request()));
        lease.complete();
        Some(told)
    })
    .collect()
}

#[test]
fn a_lease_holds_what_was_for_its_client_and_what_was_for_everyone() {
    let (queue, clients) = queue::<16>(3);
    queue.subscribe(clients[1], Topic(0)).unwrap();
    publish(&queue, Target::One(clients[0]), 10);
    publish(&queue, Target::Topics(Scope::any(&[Topic(0)])), 11);
    assert_eq!(
        serve(&queue),
        [(clients[0], ChangeSet::from([10])), (clients[1], ChangeSet::from([11]))]
    );
    publish(&queue, Target::One(clients[0]), 12);
    publish(&queue, Target::Everyone, 13);
    assert_eq!(
        serve(&queue),
        [
            (clients[0], ChangeSet::from([12, 13])),
            (clients[1], ChangeSet::from([13])),
            (clients[2], ChangeSet::from([13])),
        ]
    );
}

#[test]
fn a_push_given_back_is_leased_again_with_what_came_since() {
    let (queue, clients) = queue::<16>(1);
    publish(&queue, Target::Everyone, 1);
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::Everyone, 2);
    publish(&queue, Target::One(clients[0]), 3);
    lease.requeue();
    assert_eq!(serve(&queue), [(clients[0], ChangeSet::from([1, 2, 3]))]);
    assert_eq!(serve(&queue), []);
}

#[test]
fn a_client_that_fell_off_the_ring_is_told_everything() {
    let (queue, clients) = queue::<4>(2);
    for change in 0..4 {
        publish(&queue, Target::Everyone, change);
    }
    let fits = queue.try_lease().unwrap();
    assert_eq!(*fits.request(), ChangeSet::from([0, 1, 2, 3]), "it still fits");
    fits.complete();
    publish(&queue, Target::Everyone, 4);
    let told = serve(&queue);
    assert_eq!(
        told,
        [(clients[1], ChangeSet::everything()), (clients[0], ChangeSet::from([4]))],
        "the second client has had nothing"
    );
    publish(&queue, Target::Everyone, 5);
    assert!(serve(&queue).iter().all(|(_, told)| *told == ChangeSet::from([5])), "and caught up");
}

#[test]
fn a_newcomer_starts_after_what_was_published_before_it() {
    let (queue, clients) = queue::<4>(2);
    publish(&queue, Target::Everyone, 1);
    queue.unregister(clients[0]).unwrap();
    let newcomer = queue.register_with(Lane::Normal, ChangeSet::from([2])).unwrap();
    let told = serve(&queue);
    assert!(told.contains(&(newcomer, ChangeSet::from([2]))), "{told:?}");
    assert!(told.contains(&(clients[1], ChangeSet::from([1]))), "{told:?}");
}

static MERGES: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Debug)]
struct Counting;

impl Merge for Counting {
    fn merge(&mut self, _: &Self) {
        MERGES.fetch_add(1, Ordering::Relaxed);
    }
}

impl Everything for Counting {
    fn everything() -> Self {
        Counting
    }
}

/// One fold for all clients with the same window, and it grows by what is published meanwhile.
#[test]
fn clients_with_the_same_window_share_one_fold() {
    let queue =
        PushQueue::<Journal<Shared<Counting>, 1024>>::new(Config::new(1_000).permits(2_000));
    for _ in 0..1_000 {
        queue.register().unwrap();
    }
    for _ in 0..1_000 {
        queue.publish(Target::Everyone, Lane::Normal, Counting).unwrap();
    }
    let first: Vec<_> = std::iter::from_fn(|| queue.try_lease()).take(500).collect();
    assert_eq!(MERGES.load(Ordering::Relaxed), 999);
    assert!(first.iter().all(|lease| Arc::ptr_eq(lease.request(), first[0].request())));
    queue.publish(Target::Everyone, Lane::Normal, Counting).unwrap();
    let second: Vec<_> = std::iter::from_fn(|| queue.try_lease()).collect();
    assert_eq!(second.len(), 500);
    assert_eq!(MERGES.load(Ordering::Relaxed), 1_000, "only the new entry is merged");
    assert!(second.iter().all(|lease| Arc::ptr_eq(lease.request(), second[0].request())));
}

#[test]
fn a_refused_request_comes_back_out_of_the_ring() {
    let journal = Journal::<Locked<Changes>, 2>::default();
    let begin = |change| journal.begin_for_everyone(ChangeSet::from([change]));
    let (first, second) = (begin(1), begin(2));
    assert_eq!(journal.abandon(first), ChangeSet::from([1]));
    let third = begin(3);
    assert_eq!(journal.abandon(second), ChangeSet::from([2]), "it is still there");
    begin(4);
    begin(5);
    assert!(journal.abandon(third).is_everything(), "it is gone");
    let to_some = journal.begin(ChangeSet::from([7]));
    assert_eq!(journal.abandon(to_some), ChangeSet::from([7]));
}

#[test]
fn a_publish_to_everyone_clones_nothing() {
    static CLONES: AtomicUsize = AtomicUsize::new(0);

    #[derive(Debug)]
    struct Counted;

    impl Clone for Counted {
        fn clone(&self) -> Self {
            CLONES.fetch_add(1, Ordering::Relaxed);
            Counted
        }
    }

    impl Merge for Counted {
        fn merge(&mut self, _: &Self) {}
    }

    impl Everything for Counted {
        fn everything() -> Self {
            Counted
        }
    }

    let queue = PushQueue::<Journal<Locked<Counted>, 4>>::new(Config::new(2));
    let clients = [queue.register().unwrap(), queue.register().unwrap()];
    queue.publish(Target::Everyone, Lane::Normal, Counted).unwrap();
    assert_eq!(CLONES.load(Ordering::Relaxed), 0);
    for (clones, client) in (1..).zip(clients) {
        let lease = queue.try_lease().unwrap();
        assert_eq!(lease.key(), client);
        lease.complete();
        assert_eq!(CLONES.load(Ordering::Relaxed), clones, "one for each client");
    }
}

#[test]
fn over_flags_it_needs_no_heap() {
    use pushlane::StaticQueue;
    static QUEUE: StaticQueue<Journal<Bits<1>, 8>, 1> = StaticQueue::const_new(Config::new(8));
    let client = QUEUE.register().unwrap();
    QUEUE.publish(Target::One(client), Lane::Normal, [0b01]).unwrap();
    QUEUE.publish(Target::Everyone, Lane::Normal, [0b10]).unwrap();
    let lease = QUEUE.try_lease().unwrap();
    assert_eq!((lease.key(), *lease.request()), (client, [0b11]));
    lease.complete();
    assert!(QUEUE.try_lease().is_none());
}

#[test]
fn the_usual_queue_takes_a_request_or_an_arc_of_one() {
    let queue = Queue::<Changes>::new(Config::new(1));
    let client = queue.register().unwrap();
    queue.publish(Target::One(client), Lane::Normal, ChangeSet::from([1])).unwrap();
    queue.publish(Target::Everyone, Lane::Normal, Arc::new(ChangeSet::from([2]))).unwrap();
    assert_eq!(**queue.try_lease().unwrap().request(), ChangeSet::from([1, 2]));
}
