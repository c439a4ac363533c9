//! Merges, clones and drops that panic, in each backlog.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use pushlane::backlog::{Backlog, Everything, Journal, Locked, Merge, Shared};
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Target};

/// Changes; the merge with one that holds `BOMB` panics.
#[derive(Clone, Debug, PartialEq)]
struct Changes(BTreeSet<u32>);

const BOMB: u32 = 666;

impl Merge for Changes {
    fn merge(&mut self, other: &Self) {
        if other.0.contains(&BOMB) {
            panic_quietly();
        }
        self.0.extend(&other.0);
    }
}

/// Unwinds without the hook that would print a message into the test's output.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("as the test wants it"))
}

/// Both backlogs that merge a user's type.
trait Merging: Backlog<Payload = <Self as Backlog>::Request> + Default {
    fn request(changes: &[u32]) -> Self::Request;
    fn changes(payload: &Self::Payload) -> Vec<u32>;
}

impl Merging for Locked<Changes> {
    fn request(changes: &[u32]) -> Changes {
        Changes(changes.iter().copied().collect())
    }

    fn changes(payload: &Changes) -> Vec<u32> {
        payload.0.iter().copied().collect()
    }
}

impl Merging for Shared<Changes> {
    fn request(changes: &[u32]) -> Arc<Changes> {
        Arc::new(Locked::request(changes))
    }

    fn changes(payload: &Arc<Changes>) -> Vec<u32> {
        Locked::changes(payload)
    }
}

fn panics(what: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err(), "it was to panic");
}

fn publish<B: Merging>(queue: &PushQueue<B>, target: Target<'_>, changes: &[u32]) {
    queue.publish(target, Lane::Normal, B::request(changes)).unwrap();
}

/// Serves all clients. Returns what each got.
fn serve<B: Merging>(queue: &PushQueue<B>) -> Vec<(ClientKey, Vec<u32>)> {
    let mut served: Vec<_> = std::iter::from_fn(|| queue.try_lease())
        .map(|lease| {
            let got = (lease.key(), B::changes(lease.request()));
            lease.complete();
            got
        })
        .collect();
    served.sort();
    served
}

macro_rules! for_each_backlog {
    ($($name:ident),*) => {
        mod locked {
            $(#[test] fn $name() { super::$name::<super::Locked<super::Changes>>(); })*
        }
        mod shared {
            $(#[test] fn $name() { super::$name::<super::Shared<super::Changes>>(); })*
        }
    };
}

for_each_backlog!(
    a_publish_whose_merge_panics_leaves_nobody_stuck,
    requests_that_cannot_be_merged_are_owed_and_harm_nobody_else,
    a_handler_that_panics_loses_nothing
);

fn a_publish_whose_merge_panics_leaves_nobody_stuck<B: Merging>() {
    let queue = PushQueue::<B>::new(Config::new(3 * SLOTS).permits(2));
    let clients: Vec<_> = (0..3 * SLOTS).map(|_| queue.register().unwrap()).collect();
    let (waiting, last) = (clients[SLOTS + 1], clients[3 * SLOTS - 1]);
    publish(&queue, Target::One(last), &[1]);
    publish(&queue, Target::One(waiting), &[2]);
    panics(|| {
        // The first bank is recorded for and marked, the second one panics half-way.
        let _ = queue.publish(Target::Everyone, Lane::Normal, B::request(&[BOMB]));
    });
    assert_eq!(queue.permits_held(), 0);

    let served = serve(&queue);
    let owed = [(waiting, vec![2]), (last, vec![1])];
    assert!(owed.iter().all(|owed| served.contains(owed)), "{served:?}");
    let first_bank = served.iter().filter(|(client, _)| client.index() < SLOTS);
    assert_eq!(
        first_bank.count(),
        SLOTS,
        "who was marked is found, though the publish was cut short"
    );

    // A publish that works reaches all, also the clients that the other one had reached.
    let version = queue.publish(Target::Everyone, Lane::Urgent, B::request(&[])).unwrap();
    assert_eq!(queue.laggards(version).count(), clients.len());
    assert_eq!(serve(&queue).len(), clients.len());
    assert!(queue.is_converged(version));
    assert_eq!(queue.permits_held(), 0);
}

/// Giving back merges nothing, so it can't panic. The next lease merges. Until that works, both
/// requests are owed, and the other clients are served.
fn requests_that_cannot_be_merged_are_owed_and_harm_nobody_else<B: Merging>() {
    let queue = PushQueue::<B>::new(Config::new(2).permits(1));
    let client = queue.register_with(Lane::Normal, B::request(&[BOMB])).unwrap();
    let other = queue.register().unwrap();
    let lease = queue.try_lease().unwrap();
    let version = queue.publish(Target::One(client), Lane::Normal, B::request(&[1])).unwrap();
    lease.requeue();
    for change in 2..5 {
        publish(&queue, Target::One(other), &[change]);
        let mut served = Vec::new();
        for _ in 0..2 {
            let lease = catch_unwind(AssertUnwindSafe(|| queue.try_lease()));
            if let Ok(lease) = lease {
                let lease = lease.expect("it is queued");
                served.push((lease.key(), B::changes(lease.request())));
                lease.complete();
            }
            assert_eq!(queue.permits_held(), 0);
        }
        assert_eq!(served, [(other, vec![change])]);
        assert!(queue.laggards(version).eq([client]), "neither is lost");
    }
    queue.unregister(client).unwrap();
    assert!(queue.is_converged(version) && queue.try_lease().is_none());
    assert_eq!((queue.clients(), queue.permits_held()), (1, 0));
}

fn a_handler_that_panics_loses_nothing<B: Merging>() {
    let queue = PushQueue::<B>::new(Config::new(1).permits(1));
    let client = queue.register().unwrap();
    let version = queue.publish(Target::Everyone, Lane::Urgent, B::request(&[1])).unwrap();
    for attempt in 2..10 {
        panics(|| {
            let lease = queue.try_lease().unwrap();
            assert_eq!(lease.lane(), Lane::Urgent);
            publish(&queue, Target::One(client), &[attempt]);
            panic_quietly();
        });
        assert_eq!(queue.permits_held(), 0);
        assert!(!queue.is_converged(version));
    }
    assert_eq!(serve(&queue), [(client, (1..10).collect())]);
    assert!(queue.is_converged(version));
}

/// Panics when it is cloned, if it says so.
#[derive(Debug)]
struct Unclonable(bool);

impl Clone for Unclonable {
    fn clone(&self) -> Self {
        if self.0 {
            panic_quietly();
        }
        Unclonable(false)
    }
}

impl Merge for Unclonable {
    fn merge(&mut self, _: &Self) {}
}

impl Everything for Unclonable {
    fn everything() -> Self {
        Unclonable(false)
    }
}

#[test]
fn a_request_that_cannot_be_cloned_stays_in_the_journal() {
    let queue = PushQueue::<Journal<Locked<Unclonable>, 4>>::new(Config::new(2).permits(1));
    queue.register().unwrap();
    let version = queue.publish(Target::Everyone, Lane::Normal, Unclonable(true)).unwrap();
    for _ in 0..3 {
        panics(|| drop(queue.try_lease()));
        assert_eq!(queue.permits_held(), 0);
        assert!(!queue.is_converged(version), "still owed");
    }
    // Until it has fallen off the ring.
    for _ in 0..4 {
        queue.publish(Target::Everyone, Lane::Normal, Unclonable(false)).unwrap();
    }
    queue.try_lease().expect("still queued").complete();
    assert!(queue.is_converged(version), "the client has everything");
    assert!(queue.try_lease().is_none());
}

/// Panics when it is dropped, if it says so.
#[derive(Clone, Debug)]
struct Undroppable(bool);

impl Drop for Undroppable {
    fn drop(&mut self) {
        if self.0 {
            panic_quietly();
        }
    }
}

impl Merge for Undroppable {
    fn merge(&mut self, _: &Self) {}
}

impl Everything for Undroppable {
    fn everything() -> Self {
        Undroppable(false)
    }
}

#[test]
fn a_publish_whose_drop_of_an_older_request_panics_leaves_no_gap_in_the_journal() {
    let queue = PushQueue::<Journal<Locked<Undroppable>, 1>>::new(Config::new(2).permits(1));
    queue.register().unwrap();
    queue.publish(Target::Everyone, Lane::Normal, Undroppable(true)).unwrap();
    panics(|| {
        let _ = queue.publish(Target::Everyone, Lane::Normal, Undroppable(false));
    });
    queue.try_lease().expect("queued by the first").complete();
    let version = queue.publish(Target::Everyone, Lane::Normal, Undroppable(false)).unwrap();
    queue.try_lease().expect("published after the one that died").complete();
    assert!(queue.is_converged(version), "the client has all that there is");
    assert!(queue.try_lease().is_none());
}

#[test]
fn a_newcomer_whose_first_request_panics_takes_no_place() {
    let queue = PushQueue::<Locked<Unclonable>>::new(Config::new(1).permits(1));
    for _ in 0..3 {
        panics(|| {
            let _ = queue.register_with(Lane::Normal, Unclonable(true));
        });
        assert_eq!(queue.clients(), 0);
        assert!(queue.try_lease().is_none());
    }
    let client = queue.register_with(Lane::Normal, Unclonable(false)).unwrap();
    assert_eq!(queue.try_lease().expect("it starts with a push").key(), client);
}
