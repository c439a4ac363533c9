//! The journal: one entry a publish, and each lease folds what was meant for its client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pushlane::backlog::{Backlog, ChangeSet, Everything, Journal, Merge};
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Target, Topic};

type Changes = ChangeSet<u32>;
type Queue<const N: usize> = PushQueue<Journal<Changes, N>>;

fn queue<const N: usize>(clients: usize) -> (Queue<N>, Vec<ClientKey>) {
    let queue = Queue::<N>::new(Config::new(clients).topics(3));
    let clients = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

fn publish<const N: usize>(queue: &Queue<N>, target: Target<'_>, change: u32) {
    queue.publish(target, Lane::Normal, ChangeSet::from([change])).unwrap();
}

/// Leases everybody who is ready, in order, and completes.
fn serve<const N: usize>(queue: &Queue<N>) -> Vec<(ClientKey, Changes)> {
    std::iter::from_fn(|| {
        let lease = queue.try_lease()?;
        let told = (lease.key(), Changes::clone(lease.request()));
        lease.complete();
        Some(told)
    })
    .collect()
}

#[test]
fn a_lease_folds_only_what_was_meant_for_its_client() {
    let (queue, clients) = queue::<16>(4);
    queue.subscribe(clients[1], Topic(0)).unwrap();
    queue.subscribe(clients[2], Topic(0)).unwrap();
    queue.subscribe(clients[2], Topic(1)).unwrap();
    publish(&queue, Target::One(clients[0]), 10);
    publish(&queue, Target::Topics(Scope::any(&[Topic(0)])), 11);
    publish(&queue, Target::Topics(Scope::any(&[Topic(0)]).and_any(&[Topic(1)])), 12);
    assert_eq!(
        serve(&queue),
        [
            (clients[0], ChangeSet::from([10])),
            (clients[1], ChangeSet::from([11])),
            (clients[2], ChangeSet::from([11, 12])),
        ]
    );
    publish(&queue, Target::Everyone, 13);
    assert!(
        serve(&queue).iter().all(|(_, told)| *told == ChangeSet::from([13])),
        "only what is new"
    );
}

#[test]
fn a_push_given_back_is_folded_again_with_what_came_since() {
    let (queue, clients) = queue::<16>(1);
    publish(&queue, Target::Everyone, 1);
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::Everyone, 2);
    lease.requeue();
    assert_eq!(serve(&queue), [(clients[0], ChangeSet::from([1, 2]))]);
}

#[test]
fn a_client_that_fell_off_the_ring_is_told_everything() {
    let (queue, clients) = queue::<4>(2);
    publish(&queue, Target::One(clients[0]), 0);
    for change in 1..4 {
        publish(&queue, Target::Everyone, change);
    }
    assert_eq!(
        **queue.try_lease().unwrap().request(),
        ChangeSet::from([0, 1, 2, 3]),
        "it still fits"
    );
    publish(&queue, Target::Everyone, 4);
    let told = serve(&queue);
    assert_eq!(told.len(), clients.len());
    assert!(told.iter().all(|(_, told)| told.is_everything()), "{told:?}");
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

#[test]
fn a_change_to_a_topic_that_was_left_is_still_told() {
    let (queue, clients) = queue::<16>(1);
    queue.subscribe(clients[0], Topic(2)).unwrap();
    publish(&queue, Target::One(clients[0]), 1);
    queue.unsubscribe(clients[0], Topic(2)).unwrap();
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::Topics(Scope::any(&[Topic(2)])), 2);
    lease.complete();
    assert_eq!(
        serve(&queue),
        [(clients[0], ChangeSet::from([2]))],
        "it began after the topic was left"
    );
    publish(&queue, Target::Topics(Scope::any(&[Topic(2)])), 3);
    assert_eq!(serve(&queue), []);
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

#[test]
fn clients_with_the_same_window_share_one_fold() {
    let queue = PushQueue::<Journal<Arc<Counting>, 64>>::new(Config::new(1_000).permits(1_000));
    for _ in 0..1_000 {
        queue.register().unwrap();
    }
    for _ in 0..10 {
        queue.publish(Target::Everyone, Lane::Normal, Arc::new(Counting)).unwrap();
    }
    let leases: Vec<_> = std::iter::from_fn(|| queue.try_lease()).collect();
    assert_eq!(leases.len(), 1_000);
    assert_eq!(MERGES.load(Ordering::Relaxed), 9);
    assert!(leases.iter().all(|lease| Arc::ptr_eq(lease.request(), leases[0].request())));
}

#[test]
fn a_lease_stops_at_an_entry_that_is_still_being_written() {
    // What the queue does with the answer: the payload that there is, and the client stays queued.
    struct Slow;
    impl Backlog for Slow {
        type Request = ();
        type Payload = ();
        type Cells = ();
        type Recording = ();
        const RECORDS: bool = false;
        fn cells(&self) {}
        fn begin(&self, (): (), _: pushlane::backlog::Audience) {}
        fn abandon(&self, (): ()) {}
        fn record(&self, (): &mut (), (): &(), _: usize) {}
        fn take(
            &self,
            (): &(),
            _: usize,
            _: &dyn Fn(&pushlane::backlog::Audience) -> bool,
        ) -> pushlane::backlog::Taken<()> {
            pushlane::backlog::Taken { payload: Some(()), whole: false }
        }
        fn restore(&self, (): &(), _: usize, (): ()) {}
        fn clear(&self, (): &(), _: usize) {}
    }
    let queue: PushQueue<Slow> = PushQueue::with_parts(Config::new(1), Slow, pushlane::Silent);
    let client = queue.register().unwrap();
    let version = queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
    for _ in 0..3 {
        let lease = queue.try_lease().expect("still queued");
        lease.complete();
        assert!(!queue.is_converged(version), "never early");
    }
    assert_eq!(queue.held(), 0);
}

#[test]
fn in_place() {
    use pushlane::StaticQueue;
    static QUEUE: StaticQueue<Journal<(), 8>, 1> = StaticQueue::const_new(Config::new(8));
    let client = QUEUE.register().unwrap();
    QUEUE.publish(Target::One(client), Lane::Normal, ()).unwrap();
    let lease = QUEUE.try_lease().unwrap();
    assert_eq!(lease.key(), client);
    lease.complete();
    assert!(QUEUE.try_lease().is_none());
}
