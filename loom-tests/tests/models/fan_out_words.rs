//! The two words of a fan-out on demand, without a queue round them.

use std::sync::Arc;

use crate::model::{explore, on, race};
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use pushlane::loom_internals::FanOut;

/// A fan-out over one group, what two publishers have to say, and what of it visits have heard.
struct World {
    fan_out: FanOut,
    news: [AtomicUsize; 2],
    heard: [AtomicUsize; 2],
    closed: AtomicUsize,
}

impl World {
    fn new() -> Arc<World> {
        let none = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (news, heard) = (none(), none());
        Arc::new(World { fan_out: FanOut::new(1), news, heard, closed: AtomicUsize::new(0) })
    }

    /// The publisher's number is its index and one.
    fn raise(&self, who: usize) {
        self.news[who].store(1, Relaxed);
        self.fan_out.raise(who + 1);
    }

    /// A visit, if there is one to make: its number. What it has seen is its mark.
    fn visit(&self) -> Option<usize> {
        self.fan_out.begin()?;
        let newest = self.fan_out.newest();
        for (news, heard) in self.news.iter().zip(&self.heard) {
            if news.load(Relaxed) == 1 {
                heard.store(1, Relaxed);
            }
        }
        self.fan_out.end();
        Some(newest)
    }

    fn heard(&self) -> [usize; 2] {
        [0, 1].map(|who| self.heard[who].load(Relaxed))
    }
}

/// The visit begins before the second raise or after it: it counts for one publisher, or for both.
#[test]
fn what_is_not_pending_has_been_heard() {
    explore(3, || {
        let world = World::new();
        world.raise(1);
        race((on(&world, |world| world.raise(0)), on(&world, |world| world.visit())));
        if !world.fan_out.is_pending() {
            assert_eq!(world.heard(), [1, 1]);
        }
        world.visit();
        assert!(!world.fan_out.is_pending());
        assert_eq!(world.heard(), [1, 1]);
    });
}

#[test]
fn two_publishers_are_heard() {
    explore(2, || {
        let world = World::new();
        race((
            on(&world, |world| world.raise(0)),
            on(&world, |world| world.raise(1)),
            on(&world, |world| world.visit()),
        ));
        let pending = world.fan_out.is_pending();
        assert!(pending || world.heard() == [1, 1]);
        while world.fan_out.is_pending() {
            world.visit();
        }
        assert_eq!(world.heard(), [1, 1]);
    });
}

/// A caller that finds nothing pending sees the marks.
#[test]
fn nothing_pending_shows_the_marks() {
    explore(3, || {
        let world = World::new();
        world.raise(0);
        race((
            on(&world, |world| world.visit()),
            on(&world, |world| {
                if !world.fan_out.is_pending() {
                    assert_eq!(world.heard[0].load(Relaxed), 1, "over, and not heard");
                }
            }),
        ));
    });
}

/// Two workers visit: each has the publisher for whom it began.
#[test]
fn a_visit_hears_the_publisher_it_is_made_for() {
    explore(2, || {
        let world = World::new();
        let visit = |world: &Arc<World>| {
            if world.fan_out.begin().is_some() {
                assert_eq!(world.news[0].load(Relaxed), 1, "visited for, and not heard");
                world.fan_out.end();
            }
        };
        race((on(&world, |world| world.raise(0)), on(&world, visit), on(&world, visit)));
    });
}

/// A visit that began before a raise is not over; another one is made meanwhile.
#[test]
fn a_visit_is_ended_by_its_worker_alone() {
    explore(2, || {
        let world = World::new();
        world.raise(1);
        let raised = Arc::new(AtomicUsize::new(0));
        let has_raised = Arc::clone(&raised);
        race((
            on(&world, move |world| {
                world.raise(0);
                has_raised.store(1, Release);
            }),
            on(&world, |world| world.visit()),
            on(&world, move |world| {
                world.visit();
                if raised.load(Acquire) == 1 && !world.fan_out.is_pending() {
                    assert_eq!(world.heard(), [1, 1], "over, and not heard");
                }
            }),
        ));
    });
}

/// A client is spared if its push contains the number that the visit reads, so that must not be
/// behind.
#[test]
fn a_visit_knows_the_number_of_each_publisher_it_is_made_for() {
    explore(3, || {
        let world = World::new();
        world.raise(0);
        let (_, newest) =
            race((on(&world, |world| world.raise(1)), on(&world, |world| world.visit())));
        if !world.fan_out.is_pending() {
            assert_eq!(newest, Some(2));
        }
        assert_eq!(world.fan_out.newest(), 2);
    });
}

#[test]
fn of_two_numbers_the_newest_is_told() {
    explore(3, || {
        let world = World::new();
        race((on(&world, |world| world.raise(0)), on(&world, |world| world.raise(1))));
        assert_eq!(world.fan_out.newest(), 2);
    });
}

/// A drain ends: it has found the queue closed, then no visit pending. A publish is accepted if it
/// finds the queue open after its raise.
#[test]
fn a_publish_that_a_drain_missed_is_refused() {
    explore(3, || {
        let world = World::new();
        let (accepted, missed) = race((
            on(&world, |world| {
                world.raise(0);
                world.closed.load(Acquire) == 0
            }),
            on(&world, |world| {
                world.closed.store(1, Release);
                !world.fan_out.is_pending_or_seen()
            }),
        ));
        assert!(!(accepted && missed), "accepted, and the drain has ended without it");
    });
}
