//! 6. Convergence is never early and never hangs: a client that left or was not concerned counts as
//!    converged.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, quick_or, race};
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Relaxed};
use pushlane::backlog::{Backlog, Bits, Dirty};
use pushlane::{Config, Lane, NoSignal, PushQueue, SLOTS, Scope, Target, Version};

/// A queue, and what its client has got.
struct Watched<B: Backlog> {
    queue: Queue<B>,
    delivered: AtomicU32,
}

impl<B: Backlog<Request = [u32; 1], Payload = [u32; 1]>> Watched<B> {
    fn new(backlog: B) -> Arc<Self> {
        let queue = PushQueue::with_parts(Config::new(1), backlog, NoSignal);
        Arc::new(Watched { queue, delivered: AtomicU32::new(0) })
    }

    fn publish(&self, flag: u32) -> Version {
        self.publish_to(Target::Everyone, flag)
    }

    fn publish_to(&self, target: Target<'_>, flag: u32) -> Version {
        self.queue.publish(target, Lane::Normal, [flag]).unwrap()
    }

    fn push(&self) {
        let Some(lease) = self.queue.try_lease() else { return };
        self.delivered.fetch_or(lease.request()[0], Relaxed);
        pause();
        lease.complete();
    }

    /// A caller that finds a version converged sees everything done to deliver it.
    fn check(&self, version: Version, flag: u32) {
        pause();
        if self.queue.is_converged(version) {
            let delivered = self.delivered.load(Relaxed);
            assert!(delivered & flag != 0, "converged, and not delivered");
        }
    }
}

/// To everyone, or to the one client there is.
fn never_early(to_one: bool) {
    explore(3, move || {
        let watched = Watched::new(Bits::<1>);
        let client = watched.queue.register_with(Lane::Normal, [1]).unwrap();
        let target = if to_one { Target::One(client) } else { Target::Everyone };
        let (version, _) = race((
            on(&watched, move |watched| {
                let version = watched.publish_to(target, 2);
                watched.check(version, 2);
                version
            }),
            on(&watched, |watched| watched.push()),
        ));
        drain(&watched.queue, |_| ());
        assert!(watched.queue.is_converged(version));
    });
}

#[test]
fn convergence_is_never_early() {
    never_early(false);
}

#[test]
fn convergence_of_one_client_is_never_early() {
    never_early(true);
}

/// The first of two publishes is found converged, or not, while the second one is under way.
fn never_early_while_another_publish_is_under_way<B>(backlog: fn() -> B)
where
    B: Backlog<Request = [u32; 1], Payload = [u32; 1]> + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(quick_or(2, 1), move || {
        let watched = Watched::new(backlog());
        watched.queue.register().unwrap();
        let version = watched.publish(1);
        race((
            on(&watched, |watched| {
                watched.publish(2);
            }),
            on(&watched, |watched| watched.push()),
            on(&watched, move |watched| watched.check(version, 1)),
        ));
    });
}

#[test]
fn convergence_is_never_early_while_another_publish_is_under_way() {
    never_early_while_another_publish_is_under_way(|| Bits::<1>);
}

/// The obvious lock-free cell, which the contract of [`Backlog`] forbids. To merge, it takes the
/// pending request out and puts the merged one back.
struct TakesOut;

impl Backlog for TakesOut {
    type Request = [u32; 1];
    type Payload = [u32; 1];
    type Cells = [AtomicU32; SLOTS];
    type Recording = [u32; 1];

    fn cells(&self) -> Self::Cells {
        core::array::from_fn(|_| AtomicU32::new(0))
    }

    fn begin(&self, request: [u32; 1]) -> [u32; 1] {
        request
    }

    fn abandon(&self, recording: [u32; 1]) -> [u32; 1] {
        recording
    }

    fn record(&self, [flags]: &mut [u32; 1], cells: &Self::Cells, slots: usize) {
        for (_, cell) in cells.iter().enumerate().filter(|(slot, _)| slots >> slot & 1 != 0) {
            let pending = cell.swap(0, AcqRel);
            cell.fetch_or(pending | *flags, AcqRel);
        }
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<[u32; 1]> {
        let flags = cells[slot].swap(0, AcqRel);
        (flags != 0).then_some([flags])
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, [flags]: [u32; 1]) {
        cells[slot].fetch_or(flags, AcqRel);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        cells[slot].store(0, Relaxed);
    }
}

/// Meanwhile a lease finds nothing and completes, although the publisher holds the request.
#[test]
#[should_panic(expected = "converged, and not delivered")]
fn convergence_is_early_with_a_backlog_that_takes_requests_out() {
    never_early_while_another_publish_is_under_way(|| TakesOut);
}

/// A lease that is given back has delivered nothing.
#[test]
fn convergence_is_not_reached_by_giving_back() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        let (version, _) = race((
            on(&queue, |queue| {
                let version = queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();
                pause();
                assert!(!queue.is_converged(version));
                version
            }),
            on(&queue, |queue| drop(queue.try_lease())),
        ));
        assert!(!queue.is_converged(version));
        drain(&queue, |_| ());
        assert!(queue.is_converged(version));
    });
}

/// Only the push after the one given back contains the publish.
#[test]
fn convergence_of_one_client_is_not_reached_by_giving_back() {
    explore(3, || {
        let watched = Watched::new(Bits::<1>);
        let client = watched.queue.register_with(Lane::Normal, [1]).unwrap();
        let (version, _) = race((
            on(&watched, move |watched| {
                let version = watched.publish_to(Target::One(client), 2);
                watched.check(version, 2);
                version
            }),
            on(&watched, |watched| {
                drop(watched.queue.try_lease());
                watched.push();
            }),
        ));
        drain(&watched.queue, |_| ());
        assert!(watched.queue.is_converged(version));
    });
}

/// A push completes, and the next one is given back. A caller that finds the version converged
/// afterwards still sees what the first push did.
#[test]
fn convergence_of_one_client_shows_what_was_done_though_a_push_is_given_back() {
    explore(3, || {
        let watched = Watched::new(Bits::<1>);
        let client = watched.queue.register().unwrap();
        let version = watched.publish_to(Target::One(client), 2);
        race((
            on(&watched, move |watched| {
                watched.push();
                watched.publish_to(Target::One(client), 1);
                drop(watched.queue.try_lease());
            }),
            on(&watched, move |watched| watched.check(version, 2)),
        ));
    });
}

/// Nothing is recorded or numbered: the marks alone order what the publisher wrote.
#[test]
fn convergence_of_one_client_is_never_early_without_a_payload() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let [state, pushed] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let (read, push) = (Arc::clone(&state), Arc::clone(&pushed));
        let (version, _) = race((
            on(&queue, move |queue| {
                state.store(1, Relaxed);
                let version = queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
                pause();
                if queue.is_converged(version) {
                    assert_eq!(pushed.load(Relaxed), 1, "converged, and not delivered");
                }
                version
            }),
            on(&queue, move |queue| {
                for _ in 0..2 {
                    let Some(lease) = queue.try_lease() else { return };
                    push.store(read.load(Relaxed), Relaxed);
                    pause();
                    lease.complete();
                }
            }),
        ));
        drain(&queue, |_| ());
        assert!(queue.is_converged(version));
    });
}

/// A newcomer that was reached by a publish has not completed it, whatever number it starts with.
fn waits_for_a_newcomer<B>(request: fn() -> B::Request)
where
    B: Backlog + Default + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(3, move || {
        let queue: Arc<Queue<B>> = Arc::new(PushQueue::new(Config::new(1)));
        let (_, version) = race((
            on(&queue, |queue| queue.register().unwrap()),
            on(&queue, move |queue| {
                queue.publish(Target::Everyone, Lane::Normal, request()).ok().unwrap()
            }),
        ));
        let converged = queue.is_converged(version);
        assert_eq!(queue.try_lease().is_none(), converged);
    });
}

#[test]
fn convergence_waits_for_a_newcomer() {
    waits_for_a_newcomer::<Bits<1>>(|| [1]);
}

#[test]
fn convergence_waits_for_a_newcomer_that_a_fan_out_reaches() {
    waits_for_a_newcomer::<Dirty>(|| ());
}

/// A client that leaves, whatever it was doing, holds nothing back.
#[test]
fn convergence_does_not_wait_for_a_client_that_has_left() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(2)));
        let client = queue.register_with(Lane::Normal, [1]).unwrap();
        let (lease, _, version) = race((
            on(&queue, |queue| PushQueue::try_lease_from(Arc::clone(queue))),
            on(&queue, move |queue| queue.unregister(client).unwrap()),
            on(&queue, |queue| queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap()),
        ));
        assert!(queue.is_converged(version), "whether or not the push has ended");
        drop(lease);
        assert!(queue.is_converged(version));
        assert!(queue.try_lease().is_none());
    });
}

/// A publish to one client has converged once that client has left, whichever has its place now.
#[test]
fn convergence_of_one_client_does_not_wait_for_the_next() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let version = queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        race((
            on(&queue, move |queue| {
                let laggard = queue.laggards(version).next();
                assert!(laggard.is_none_or(|laggard| laggard == client));
            }),
            on(&queue, move |queue| {
                queue.unregister(client).unwrap();
                pause();
                queue.register_with(Lane::Normal, ()).unwrap();
            }),
        ));
        assert!(queue.is_converged(version));
    });
}

/// A push that ends while the next publish is made contains the one before it, and not that one as
/// well.
#[test]
fn convergence_is_not_reckoned_from_a_push_that_has_ended() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        queue.register().unwrap();
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("published");
        let (_, told) = race((
            move || lease.complete(),
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
                queue.try_lease().map(|lease| lease.complete()).is_some()
            }),
        ));
        assert!(told || drain(&queue, |()| ()) == 1, "passed over");
    });
}

/// A push that was given back and is made again reaches farther than the first time, and not as far
/// as a publish that is made while it ends.
#[test]
fn convergence_is_not_reckoned_from_a_push_that_was_begun_again() {
    explore(1, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let publish_to = |target| queue.publish(target, Lane::Normal, ()).unwrap();
        // To nobody, for the number.
        publish_to(Target::Topics(Scope::any(&[])));
        publish_to(Target::One(client));
        let given_back = queue.try_lease().expect("published");
        publish_to(Target::Topics(Scope::any(&[])));
        drop(given_back);
        let news = Arc::new(AtomicU32::new(0));
        let (told, told_later) = race((
            on(&queue, {
                let news = Arc::clone(&news);
                move |queue| {
                    let Some(lease) = queue.try_lease() else { return false };
                    let told = news.load(Relaxed) == 1;
                    lease.complete();
                    told
                }
            }),
            on(&queue, move |queue| {
                news.store(1, Relaxed);
                queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
                queue.try_lease().map(|lease| lease.complete()).is_some()
            }),
        ));
        assert!(told || told_later || drain(&queue, |()| ()) == 1, "passed over");
    });
}

/// A tracker that finds a version completed sees everything done to deliver it, and it ends in
/// every order of the pushes.
#[test]
fn a_tracker_is_never_early_and_never_hangs() {
    explore(quick_or(2, 1), || {
        let watched = Watched::new(Bits::<1>);
        watched.queue.register().unwrap();
        let version = watched.publish(1);
        race((
            on(&watched, |watched| watched.push()),
            on(&watched, |watched| {
                watched.publish(2);
            }),
            on(&watched, move |watched| {
                let mut tracker = watched.queue.track(version);
                pause();
                if tracker.advance() {
                    assert_eq!(tracker.completed(), 1);
                    assert!(watched.delivered.load(Relaxed) & 1 != 0, "done, and not delivered");
                }
            }),
        ));
        let mut tracker = watched.queue.track(version);
        drain(&watched.queue, |_| ());
        assert!(tracker.advance());
        assert_eq!((tracker.completed(), tracker.left()), (1, 0));
    });
}

/// A client that leaves, and another that takes its place, while the version is tracked: it counts
/// as completed only if it was.
#[test]
fn a_tracker_does_not_take_a_newcomer_for_the_client_that_left() {
    explore(quick_or(2, 1), || {
        let watched = Watched::new(Bits::<1>);
        let client = watched.queue.register().unwrap();
        let version = watched.publish(1);
        race((
            on(&watched, move |watched| {
                watched.queue.unregister(client).unwrap();
                watched.queue.register().unwrap();
            }),
            on(&watched, move |watched| {
                let mut tracker = watched.queue.track(version);
                let recipients: Vec<_> = tracker.missing().to_vec();
                pause();
                if tracker.refresh() && recipients == [client] {
                    assert_eq!(
                        (tracker.completed(), tracker.left()),
                        (0, 1),
                        "nobody pushed to it"
                    );
                }
            }),
        ));
    });
}

/// What was published before a barrier has been delivered when the barrier has converged.
fn a_barrier_is_never_early<B>(backlog: fn() -> B, to_one: bool)
where
    B: Backlog<Request = [u32; 1], Payload = [u32; 1]> + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(3, move || {
        let watched = Watched::new(backlog());
        let client = watched.queue.register_with(Lane::Normal, [1]).unwrap();
        let target = if to_one { Target::One(client) } else { Target::Everyone };
        let (all, _) = race((
            on(&watched, move |watched| {
                watched.publish_to(target, 2);
                let all = watched.queue.barrier();
                watched.check(all, 2);
                all
            }),
            on(&watched, |watched| watched.push()),
        ));
        drain(&watched.queue, |_| ());
        assert!(watched.queue.is_converged(all));
    });
}

#[test]
fn a_barrier_is_never_early_for_one_client() {
    a_barrier_is_never_early(|| Bits::<1>, true);
}

#[test]
fn a_barrier_is_never_early_for_everyone() {
    a_barrier_is_never_early(|| Bits::<1>, false);
}
