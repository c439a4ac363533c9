//! What holds back: a debounce in front of the queue, and a pace for each client. In virtual time.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use pushlane::adapters::{Backoff, Debouncer, TokioTimer};
use pushlane::debounce::{Debounce, Pace, Stretch};
use pushlane::{Lane, Target};
use tokio::time::{Instant, sleep};

use crate::rig::{Log, Push, Queue, options, paused, publish, queue};

const MS: Duration = Duration::from_millis(1);

/// An event of a debounce: bits that add up.
#[derive(Clone, Debug, PartialEq)]
struct Bits(u32);

impl pushlane::backlog::Merge for Bits {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

type Published = (u128, char, Lane, u32);

/// A debounce over a queue, and what it publishes when.
fn debouncer(queue: &Queue, quiet: Stretch) -> (Debouncer<char, Bits>, Log<Published>) {
    let (log, published) = Log::new();
    let start = Instant::now();
    let debounce = Debounce::new(quiet, 1_000 * MS);
    let (events, driving) = Debouncer::new(
        Arc::clone(queue),
        debounce,
        TokioTimer::default(),
        move |_queue, scope, lane, bits: Bits| {
            log((start.elapsed().as_millis() / 10 * 10, scope, lane, bits.0));
        },
    );
    tokio::spawn(driving);
    (events, published)
}

#[test]
fn events_of_a_scope_are_published_once_when_it_is_quiet() {
    paused(async {
        let (queue, _) = queue(1, 1);
        let (events, published) = debouncer(&queue, Stretch::fixed(100 * MS));
        events.offer('a', Lane::Normal, Bits(1));
        sleep(60 * MS).await;
        events.offer('a', Lane::Normal, Bits(2));
        events.offer('b', Lane::Urgent, Bits(4));
        assert_eq!(published.next().await, (60, 'b', Lane::Urgent, 4), "at once");
        assert_eq!(published.next().await, (160, 'a', Lane::Normal, 3));
        sleep(1_000 * MS).await;
        events.offer('a', Lane::Normal, Bits(8));
        assert_eq!(published.next().await, (1_260, 'a', Lane::Normal, 8));
    });
}

#[test]
fn a_busy_queue_is_waited_for_and_an_idle_one_is_not() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        publish(&queue, clients[0], 1);
        let (events, published) = debouncer(&queue, Stretch::between(20 * MS, 500 * MS, 1));
        events.offer('a', Lane::Normal, Bits(1));
        sleep(200 * MS).await;
        assert_eq!(published.so_far(), [], "the queue is busy");
        queue.try_lease().expect("pending").complete();
        assert_eq!(published.next().await.0 / 100, 2, "as soon as it is idle");
        events.offer('a', Lane::Normal, Bits(2));
        assert_eq!(published.next().await.3, 2);
    });
}

#[test]
fn what_is_held_back_is_published_when_nothing_more_can_come() {
    paused(async {
        let (queue, _) = queue(1, 1);
        let (events, published) = debouncer(&queue, Stretch::fixed(100 * MS));
        let other = events.clone();
        events.offer('a', Lane::Normal, Bits(1));
        drop(events);
        other.offer('b', Lane::Normal, Bits(2));
        drop(other);
        let mut both = published.take(2).await;
        both.sort_unstable();
        assert_eq!(both, [(0, 'a', Lane::Normal, 1), (0, 'b', Lane::Normal, 2)]);
    });
}

#[test]
fn a_driver_that_is_dropped_leaves_nothing_behind() {
    paused(async {
        let (queue, _) = queue(1, 1);
        let (log, published) = Log::new();
        let debounce = Debounce::new(Stretch::fixed(100 * MS), 1_000 * MS);
        let (events, driving) = Debouncer::new(
            queue,
            debounce,
            TokioTimer::default(),
            move |_queue: &Queue, scope, _lane, bits: Bits| log((scope, bits.0)),
        );
        events.offer('a', Lane::Normal, Bits(1));
        drop(driving);
        events.offer('b', Lane::Normal, Bits(2));
        assert_eq!(published.so_far(), [('a', 1), ('b', 2)]);
    });
}

/// An event whose destructor offers another one.
#[derive(Clone)]
struct Echo {
    back: Option<Debouncer<char, Echo>>,
    merges: bool,
}

impl pushlane::backlog::Merge for Echo {
    fn merge(&mut self, other: &Self) {
        assert!(other.merges, "a merge that fails");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(events) = self.back.take() {
            events.offer('b', Lane::Normal, Echo { back: None, merges: true });
        }
    }
}

#[test]
fn an_event_that_has_been_merged_is_dropped_outside_of_the_lock() {
    for merges in [true, false] {
        let (log, published) = Log::new();
        let debounce = Debounce::new(Stretch::fixed(100 * MS), 1_000 * MS);
        let (events, driving) = Debouncer::new(
            queue(1, 1).0,
            debounce,
            TokioTimer::default(),
            move |_queue: &Queue, scope, _lane, _echo: Echo| log(scope),
        );
        events.offer('a', Lane::Normal, Echo { back: None, merges: true });
        let driving = ManuallyDrop::new(driving); // not while the lock may be held
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let echo = Echo { back: Some(events.clone()), merges };
            let offer = AssertUnwindSafe(|| events.offer('a', Lane::Normal, echo));
            done.send(catch_unwind(offer).is_ok())
        });
        let offered = is_done.recv_timeout(10_000 * MS).expect("it is dropped under the lock");
        assert_eq!(offered, merges);
        drop(ManuallyDrop::into_inner(driving));
        assert_eq!(published.so_far(), ['a', 'b']);
    }
}

/// When the pushes to a client begin, in milliseconds.
fn begun(
    queue: &Queue,
    pace: Pace,
    backoff: Backoff,
) -> (impl Drop + use<>, Log<(u128, Lane, u32)>) {
    let (log, begun) = Log::new();
    let start = Instant::now();
    let options = options(queue).pace(pace).backoff(backoff);
    let dispatcher = options.start(move |push: Push| {
        log((start.elapsed().as_millis(), push.lane(), push.request()[0]));
        async move { Ok(()) }
    });
    (dispatcher, begun)
}

#[test]
fn pushes_to_one_client_are_an_interval_apart() {
    paused(async {
        let (queue, clients) = queue(2, 2);
        let pace = Pace::new(Stretch::fixed(500 * MS));
        let (_dispatcher, begun) = begun(&queue, pace, Backoff::NONE);
        publish(&queue, clients[0], 1);
        assert_eq!(begun.next().await, (0, Lane::Normal, 1), "at once, after a rest");
        let version = publish(&queue, clients[0], 2);
        sleep(100 * MS).await;
        assert!(!queue.is_converged(version) && queue.permits_held() == 0);
        publish(&queue, clients[0], 4);
        publish(&queue, clients[1], 8);
        assert_eq!(begun.next().await, (100, Lane::Normal, 8), "another client");
        let (at, lane, bits) = begun.next().await;
        assert!((500..510).contains(&at), "{at}");
        assert_eq!((lane, bits), (Lane::Normal, 6), "merged meanwhile");
        queue.converged(version).await;
        // An urgent push is not held up.
        sleep(50 * MS).await;
        queue.publish(Target::One(clients[0]), Lane::Urgent, [16]).unwrap();
        let (at, lane, bits) = begun.next().await;
        assert!(at < 600, "{at}");
        assert_eq!((lane, bits), (Lane::Urgent, 16));
    });
}

#[test]
fn an_urgent_publish_ends_a_wait_if_asked_to() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let pace = Pace::new(Stretch::fixed(60_000 * MS));
        let (_dispatcher, begun) = begun(&queue, pace, Backoff::NONE.cut_short_by_urgent(true));
        publish(&queue, clients[0], 1);
        begun.next().await;
        publish(&queue, clients[0], 2);
        sleep(100 * MS).await;
        queue.publish(Target::One(clients[0]), Lane::Urgent, [4]).unwrap();
        let (at, _, bits) = begun.next().await;
        assert!(at < 1_000, "{at}");
        assert_eq!(bits, 6);
    });
}

/// It has its predecessor's slot, but not its pace.
#[test]
fn a_newcomer_is_not_held_up() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let pace = Pace::new(Stretch::fixed(60_000 * MS));
        let (_dispatcher, begun) = begun(&queue, pace, Backoff::NONE);
        let version = publish(&queue, clients[0], 1);
        begun.next().await;
        queue.converged(version).await;
        queue.unregister(clients[0]).unwrap();
        publish(&queue, queue.register().unwrap(), 2);
        let (at, _, bits) = begun.next().await;
        assert_eq!(bits, 2);
        assert!(at < 1_000, "{at}");
    });
}

#[test]
fn an_adaptive_pace_holds_nobody_up_while_the_queue_is_idle() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let pace = Pace::new(Stretch::between(Duration::ZERO, 60_000 * MS, 100));
        let (_dispatcher, begun) = begun(&queue, pace, Backoff::NONE);
        publish(&queue, clients[0], 1);
        begun.next().await;
        sleep(1_000 * MS).await;
        publish(&queue, clients[0], 2);
        let (at, ..) = begun.next().await;
        assert!(at < 2_000, "{at}");
    });
}
