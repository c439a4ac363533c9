//! The topics that are due, without a queue round them.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use model::{explore, on, race};
use pushlane::inside::Due;

struct World {
    due: Due,
    told: AtomicUsize,
}

/// Two publishers to one topic. The second one may find it there, and leave the counting to the first; whoever it
/// tells finds the topic all the same.
#[test]
fn who_is_told_by_a_publisher_that_was_not_first_finds_the_topic() {
    explore(3, || {
        let world = Arc::new(World { due: Due::new(1), told: AtomicUsize::new(0) });
        race((
            on(&world, |world| world.due.insert(0, true)),
            on(&world, |world| {
                world.due.insert(0, false);
                world.told.store(1, Ordering::Release);
            }),
            on(&world, |world| {
                if world.told.load(Ordering::Acquire) == 1 {
                    assert!(!world.due.is_empty(), "told, and not found");
                }
            }),
        ));
    });
}
