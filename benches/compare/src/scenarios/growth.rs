//! Costs that must not grow with what they don't concern: topics, clients, publishes. Of pushlane
//! alone.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion};
use pushlane::backlog::{Backlog, Dirty, Journal, Shared};
use pushlane::{ClientKey, Config, Lane, MAX_PERMITS, PushQueue, SLOTS, Target, Topic};

use super::{Plan, groups};
use crate::keys::Keys;

/// Clients where their number doesn't matter.
const CLIENTS: u32 = 1_000;
const TOPICS: [u32; 3] = [0, 1_000, 100_000];

fn register<B: Backlog>(queue: &PushQueue<B>) -> ClientKey {
    let Ok(key) = queue.register() else { unreachable!("there is room") };
    key
}

fn publish<B: Backlog>(queue: &PushQueue<B>, target: Target<'_>, request: B::Request) {
    assert!(queue.publish(target, Lane::Normal, request).is_ok());
}

/// A client that leaves, and one that comes.
pub(super) fn topics_of_a_leaver(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::LEAVE);
    for topics in TOPICS {
        let queue = PushQueue::<Dirty>::new(Config::new(CLIENTS as usize).topics(topics as usize));
        group.bench_function(BenchmarkId::new("pushlane", topics), |bencher| {
            bencher.iter(|| assert_eq!(queue.unregister(register(&queue)), Ok(())));
        });
    }
}

/// A client subscribes to the last topic and unsubscribes; its next push forgets the subscription.
pub(super) fn topics_forgotten(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::FORGET);
    for topics in TOPICS {
        let queue = PushQueue::<Dirty>::new(Config::new(CLIENTS as usize).topics(topics as usize));
        let client = register(&queue);
        let push = || {
            publish(&queue, Target::One(client), ());
            let Some(lease) = queue.try_lease() else { unreachable!("published") };
            lease.complete();
        };
        group.bench_function(BenchmarkId::new("pushlane, a push", topics), |bencher| {
            bencher.iter(push);
        });
        if topics == 0 {
            continue;
        }
        let last = Topic(topics - 1);
        group.bench_function(
            BenchmarkId::new("pushlane, a push that forgets", topics),
            |bencher| {
                bencher.iter(|| {
                    assert_eq!(queue.subscribe(client, last), Ok(()));
                    assert_eq!(queue.unsubscribe(client, last), Ok(()));
                    push();
                });
            },
        );
    }
}

/// All places are taken but one, which lies in the bank before the one that was given out last: a
/// search in the order of the banks comes to it after all others.
pub(super) fn vacancy_a_round_away(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::VACANCY);
    for clients in [16_000, 160_000, 1_600_000_usize] {
        let queue = PushQueue::<Dirty>::new(Config::new(clients));
        let mut keys: Vec<_> = (0..clients).map(|_| register(&queue)).collect();
        let mut place = 0;
        group.bench_function(BenchmarkId::new("pushlane", clients), |bencher| {
            bencher.iter(|| {
                place = (place + clients - SLOTS) % clients;
                assert_eq!(queue.unregister(keys[place]), Ok(()));
                keys[place] = register(&queue);
            });
        });
        assert_eq!(keys[place].index(), place, "the place that was vacated is the one taken");
    }
}

/// Pushes to all clients after a publish to everyone; after each, somebody asks whether all have
/// it.
pub(super) fn awaited(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::AWAITED);
    for clients in [1_000, 40_000, 160_000_u32] {
        let config = Config::new(clients as usize).permits(MAX_PERMITS);
        let queue = PushQueue::<Dirty>::new(config);
        (0..clients).for_each(|_| _ = register(&queue));
        for (name, wait) in [("pushlane", false), ("pushlane, awaited", true)] {
            plan.sampled_each(&mut group, name, clients, clients, || {
                let sent = queue.publish(Target::Everyone, Lane::Normal, ());
                let Ok(version) = sent else { unreachable!("open") };
                let start = Instant::now();
                let mut tracker = wait.then(|| queue.track(version));
                while let Some(lease) = queue.try_lease() {
                    lease.complete();
                    if let Some(tracker) = &mut tracker {
                        black_box(tracker.advance());
                    }
                }
                let took = start.elapsed();
                assert!(
                    tracker.is_none_or(|mut tracker| tracker.advance()),
                    "all have been pushed"
                );
                took
            });
        }
    }
}

/// Pushes to all clients, each of which has missed so many publishes to everyone.
pub(super) fn behind(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::BEHIND);
    for publishes in [1, 64, 65, 1_000_u32] {
        let config = Config::new(CLIENTS as usize).permits(MAX_PERMITS);
        let queue = PushQueue::<Journal<Shared<Keys>, 1_024>>::new(config);
        (0..CLIENTS).for_each(|_| _ = register(&queue));
        plan.sampled_each(&mut group, "pushlane Journal", publishes, CLIENTS, || {
            for publish_number in 0..publishes {
                publish(&queue, Target::Everyone, Keys::new(publish_number % 8, 1));
            }
            let start = Instant::now();
            while let Some(lease) = queue.try_lease() {
                lease.complete();
            }
            start.elapsed()
        });
    }
}
