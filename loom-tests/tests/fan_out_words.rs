//! The two words of a fan-out on demand, without a queue round them.

mod model;

use std::sync::Arc;

use loom::sync::atomic::Ordering::Relaxed;
use loom::sync::atomic::{AtomicUsize, Ordering};
use model::{explore, on, pause, race};
use pushlane::inside::{FanOut, Goal};

/// A fan-out over one group, what two publishers have to say, and what of it visits have heard.
struct World {
    fan_out: FanOut,
    news: [AtomicUsize; 2],
    heard: [AtomicUsize; 2],
    counter: AtomicUsize,
}

impl World {
    fn new() -> Arc<World> {
        let none = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (news, heard) = (none(), none());
        Arc::new(World { fan_out: FanOut::new(1), news, heard, counter: AtomicUsize::new(0) })
    }

    fn raise(&self, who: usize) -> Goal {
        self.news[who].store(1, Relaxed);
        self.fan_out.raise()
    }

    /// A visit, if there is one to make. What it has seen is its mark.
    fn visit(&self) {
        let Some(visit) = self.fan_out.visit() else { return };
        for (news, heard) in self.news.iter().zip(&self.heard) {
            if news.load(Relaxed) == 1 {
                heard.store(1, Relaxed);
            }
        }
        self.fan_out.end(visit);
    }

    fn heard(&self) -> [usize; 2] {
        [0, 1].map(|who| self.heard[who].load(Relaxed))
    }

    fn number(&self) {
        let number = self.take_number();
        pause();
        self.tell(number);
    }

    fn take_number(&self) -> usize {
        self.counter.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn tell(&self, number: usize) {
        self.fan_out.numbered(Some(number), || self.counter.load(Ordering::Acquire));
    }

    fn settled(&self) -> Option<usize> {
        self.fan_out.settled(|| self.counter.load(Ordering::Acquire))
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

/// Whoever finds the goal reached, or nothing pending, sees the marks.
fn the_end_of_a_visit_shows_its_marks(is_over: fn(&World, Goal) -> bool) {
    explore(3, move || {
        let world = World::new();
        let goal = world.raise(0);
        race((
            on(&world, |world| world.visit()),
            on(&world, move |world| {
                if is_over(world, goal) {
                    assert_eq!(world.heard[0].load(Relaxed), 1, "over, and not heard");
                }
            }),
        ));
    });
}

#[test]
fn a_goal_that_is_reached_shows_the_marks() {
    the_end_of_a_visit_shows_its_marks(|world, goal| world.fan_out.has_reached(goal));
}

#[test]
fn nothing_pending_shows_the_marks() {
    the_end_of_a_visit_shows_its_marks(|world, _| !world.fan_out.is_pending());
}

/// Of two visitors one begins and the other one joins; whoever ends the visit has heard.
#[test]
fn a_helper_hears_as_much_as_who_began() {
    explore(2, || {
        let world = World::new();
        race((
            on(&world, |world| world.raise(0)),
            on(&world, |world| world.visit()),
            on(&world, |world| {
                if let Some(visit) = world.fan_out.visit() {
                    assert_eq!(world.news[0].load(Relaxed), 1, "visited for, and not heard");
                    world.fan_out.end(visit);
                }
            }),
        ));
    });
}

/// The visit has a publisher already; another one raises just before it begins, or just after.
#[test]
fn a_visit_is_not_ended_by_a_helper_that_heard_less() {
    explore(2, || {
        let world = World::new();
        world.raise(1);
        let raised = Arc::new(AtomicUsize::new(0));
        let has_raised = Arc::clone(&raised);
        race((
            on(&world, move |world| {
                world.raise(0);
                has_raised.store(1, Ordering::Release);
            }),
            on(&world, |world| world.visit()),
            on(&world, move |world| {
                world.visit();
                if raised.load(Ordering::Acquire) == 1 && !world.fan_out.is_pending() {
                    assert_eq!(world.heard(), [1, 1], "over, and not heard");
                }
            }),
        ));
    });
}

/// A helper sees that there is something to visit; then another publisher raises, visits begin, and stall. The
/// helper joins a visit that began after the raise.
#[test]
fn who_fails_to_begin_hears_as_much_as_who_began() {
    explore(3, || {
        let world = World::new();
        world.raise(1);
        race((
            on(&world, |world| {
                world.raise(0);
                let _stalled = world.fan_out.visit();
            }),
            on(&world, |world| world.visit()),
        ));
        if !world.fan_out.is_pending() {
            assert_eq!(world.heard(), [1, 1], "over, and not heard");
        }
    });
}

/// One publisher has raised and has no number. Another one raises and tells its own.
#[test]
fn a_number_is_not_settled_while_a_publisher_has_none() {
    explore(3, || {
        let world = World::new();
        world.raise(0);
        race((
            on(&world, |world| {
                world.raise(1);
                world.number();
            }),
            on(&world, |world| assert_eq!(world.settled(), None)),
        ));
        assert_eq!(world.settled(), None);
    });
}

#[test]
fn of_two_numbers_the_newest_is_settled() {
    explore(3, || {
        let world = World::new();
        let publish = |world: &Arc<World>| {
            world.raise(0);
            world.number();
        };
        race((on(&world, publish), on(&world, publish)));
        assert_eq!(world.settled(), Some(2));
    });
}

/// Who tells the older one last need not have heard of the newer one otherwise.
#[test]
fn an_older_number_that_is_told_late_changes_nothing() {
    explore(3, || {
        let world = World::new();
        world.raise(0);
        let older = world.take_number();
        race((
            on(&world, |world| {
                world.raise(1);
                world.number();
            }),
            on(&world, move |world| world.tell(older)),
        ));
        assert_eq!(world.settled(), Some(2));
    });
}

#[test]
fn a_number_is_never_beyond_the_last_one() {
    explore(3, || {
        let world = World::new();
        world.raise(0);
        race((
            on(&world, |world| world.number()),
            on(&world, |world| {
                let newest = world.fan_out.newest_pending(|| world.counter.load(Ordering::Acquire));
                assert!(newest.is_some_and(|newest| newest <= 1), "{newest:?}");
            }),
        ));
    });
}
