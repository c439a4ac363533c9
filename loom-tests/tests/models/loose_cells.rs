//! A place changes hands, and its cell promises no more than the contract of a backlog.
//!
//! Loom applies the writes to an atomic in the order in which it executes them, so a `clear` that
//! is a store removes every earlier `record`, even one that does not happen before it. Memory
//! promises less. This cell removes only what happens before the `clear`, and so it shows the
//! orderings of the seat's word, which the other backlogs hide.

use std::sync::{Arc, Mutex};

use crate::model::{Queue, drain, explore, on, pause, race};
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicU32, AtomicUsize};
use pushlane::backlog::Backlog;
use pushlane::{Config, Lane, NoSignal, PushQueue, Target, Topic};

/// Four flags a client, for the first slot of a bank: the queue has one place. The backlog keeps
/// its cells, so that the test can look at them.
#[derive(Clone, Default)]
struct Loose(Arc<Mutex<Vec<Arc<LooseCell>>>>);

struct LooseCell {
    /// Four for each client that has had the place.
    flags: AtomicU32,
    cleared: AtomicU32,
}

impl LooseCell {
    /// Records for the client that the caller believes to be the present one.
    fn merge(&self, flags: u32) {
        let client = self.cleared.load(Relaxed);
        assert!(client < 8);
        self.flags.fetch_or(flags << (4 * client), Release);
    }
}

impl Backlog for Loose {
    type Request = u32;
    type Payload = u32;
    type Cells = Arc<LooseCell>;
    type Recording = u32;

    fn cells(&self) -> Arc<LooseCell> {
        let cell = LooseCell { flags: AtomicU32::new(0), cleared: AtomicU32::new(0) };
        let cell = Arc::new(cell);
        self.0.lock().unwrap().push(Arc::clone(&cell));
        cell
    }

    fn begin(&self, request: u32) -> u32 {
        request
    }

    fn abandon(&self, recording: u32) -> u32 {
        recording
    }

    fn record(&self, flags: &mut u32, cell: &Arc<LooseCell>, slots: usize) {
        assert_eq!(slots, 1);
        cell.merge(*flags);
    }

    /// Also removes what was recorded for an earlier client.
    fn take(&self, cell: &Arc<LooseCell>, _: usize) -> Option<u32> {
        let client = cell.cleared.load(Relaxed);
        let flags = cell.flags.swap(0, Acquire) >> (4 * client);
        (flags != 0).then_some(flags)
    }

    fn restore(&self, cell: &Arc<LooseCell>, _: usize, flags: u32) {
        cell.merge(flags);
    }

    /// Removes what the caller knows of.
    fn clear(&self, cell: &Arc<LooseCell>, _: usize) {
        let known = cell.flags.load(Relaxed);
        cell.flags.fetch_and(!known, Relaxed);
        cell.cleared.fetch_add(1, Relaxed);
    }
}

/// A queue with one place, and what clients start from.
struct World {
    queue: Queue<Loose>,
    cells: Loose,
    state: AtomicUsize,
}

impl World {
    fn new() -> Arc<World> {
        let cells = Loose::default();
        let queue = PushQueue::with_parts(Config::new(1).topics(1), cells.clone(), NoSignal);
        Arc::new(World { queue, cells, state: AtomicUsize::new(0) })
    }

    /// Everybody who is ready has been served.
    fn assert_nothing_is_left_behind(&self) {
        drain(&self.queue, |_| ());
        for cell in &*self.cells.0.lock().unwrap() {
            assert_eq!(cell.flags.load(Relaxed), 0, "a request is left behind");
        }
    }
}

/// What is recorded for the generation that sits there is recorded after the newcomer's clearing.
#[test]
fn a_successor_misses_no_request() {
    explore(1, || {
        let world = World::new();
        let predecessor = world.queue.register().unwrap();
        let (_, read) = race((
            on(&world, |world| {
                world.state.store(1, Relaxed);
                world.queue.publish(Target::Everyone, Lane::Normal, 1u32).unwrap();
            }),
            on(&world, move |world| {
                world.queue.unregister(predecessor).unwrap();
                world.queue.register().unwrap();
                pause();
                world.state.load(Relaxed)
            }),
        ));
        let reached = drain(&world.queue, |_| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
    });
}

/// The last of the editors retires the place: what the lease has given back goes as well.
#[test]
fn nothing_is_left_behind_by_a_lease_when_an_edit_ends_last() {
    explore(2, || {
        let world = World::new();
        let client = world.queue.register_with(Lane::Normal, 1u32).unwrap();
        race((
            on(&world, move |world| {
                let lease = world.queue.try_lease().expect("queued");
                world.queue.unregister(client).unwrap();
                lease.requeue();
            }),
            on(&world, move |world| {
                let _ = world.queue.subscribe(client, Topic(0));
            }),
        ));
        world.assert_nothing_is_left_behind();
    });
}
