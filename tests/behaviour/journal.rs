//! The journal: one entry a publish, and each lease folds what was meant for its client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pushlane::backlog::{Backlog, ChangeSet, Everything, Journal, Merge};
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Target, Topic};

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
fn what_is_meant_for_one_is_told_to_nobody_at_the_same_place_of_another_bank() {
    let (queue, clients) = queue::<16>(2 * SLOTS);
    let two = [clients[3], clients[SLOTS + 3]];
    publish(&queue, Target::One(two[0]), 1);
    publish(&queue, Target::One(two[1]), 2);
    let told = [1, 2].map(|change| ChangeSet::from([change]));
    assert!(serve(&queue).into_iter().eq(two.into_iter().zip(told)));
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
fn a_refused_request_comes_back_out_of_the_ring() {
    use pushlane::backlog::Audience;
    let journal = Journal::<Changes, 2>::new();
    let begin = |change| journal.begin(ChangeSet::from([change]), Audience::EVERYONE);
    let (first, second) = (begin(1), begin(2));
    assert_eq!(journal.abandon(first), ChangeSet::from([1]));
    let third = begin(3);
    assert_eq!(journal.abandon(second), ChangeSet::from([2]), "it is still there");
    begin(4);
    begin(5);
    assert!(journal.abandon(third).is_everything(), "it is gone");
}

#[test]
fn a_publish_clones_nothing() {
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

    let queue = PushQueue::<Journal<Counted, 4>>::new(Config::new(2));
    let clients = [queue.register().unwrap(), queue.register().unwrap()];
    for client in clients {
        queue.publish(Target::One(client), Lane::Normal, Counted).unwrap();
    }
    assert_eq!(CLONES.load(Ordering::Relaxed), 0);
    for (clones, client) in (1..).zip(clients) {
        let lease = queue.try_lease().unwrap();
        assert_eq!(lease.key(), client);
        lease.complete();
        assert_eq!(CLONES.load(Ordering::Relaxed), clones, "one for each entry of a client's own");
    }
}

#[test]
fn a_long_window_folds_what_was_meant_for_the_client() {
    let (queue, clients) = queue::<256>(3);
    queue.subscribe(clients[2], Topic(1)).unwrap();
    let narrow = Scope::any(&[Topic(1), Topic(0)]).and_any(&[Topic(1), Topic(2)]);
    for change in 0..200 {
        let target = match change % 4 {
            0 => Target::One(clients[change as usize / 4 % 3]),
            1 => Target::Topics(Scope::any(&[Topic(1)])),
            2 => Target::Topics(narrow),
            _ if change % 40 == 3 => Target::Everyone,
            _ => Target::One(clients[0]),
        };
        publish(&queue, target, change);
    }
    let meant = |index: usize| {
        let changes = (0..200).filter(|change| match change % 4 {
            0 => *change as usize / 4 % 3 == index,
            1 | 2 => index == 2,
            _ => change % 40 == 3 || index == 0,
        });
        changes.map(|change| ChangeSet::from([change])).reduce(|mut all, change| {
            all.merge(&change);
            all
        })
    };
    let told = serve(&queue);
    assert_eq!(told.len(), 3);
    for (index, (client, told)) in told.into_iter().enumerate() {
        assert_eq!((client, Some(told)), (clients[index], meant(index)));
    }
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
