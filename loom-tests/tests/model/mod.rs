//! What the models share: how they are explored, and a sleeper's bell.

#![allow(dead_code, reason = "every model uses its own part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::time::Instant;

use loom::sync::{Condvar, Mutex};
use pushlane::backlog::Backlog;
use pushlane::ready::{ReadySet, Sweep};
use pushlane::storage::Heap;
use pushlane::{Lease, PushQueue, Signal, Silent};

pub type Queue<B, R = Sweep, N = Silent> = PushQueue<B, Heap, R, N>;
pub type Held<B, R = Sweep, N = Silent> = Lease<Arc<Queue<B, R, N>>>;

/// Runs `model` once for every way its threads can interleave with at most `preemptions` switches that no
/// thread asked for, and for every value that each of its loads may see.
///
/// Without a bound the smallest model of a whole queue does not end within a day. Bugs need few forced
/// switches: every broken variant that is known is found with two, and the models take three where that
/// costs seconds. Switches at the end of a thread or in a wait are not counted.
pub fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(Count::new(0));
    let started = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    let counted = Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    // Shown by `cargo test -- --nocapture`.
    println!(
        "{}: {} executions in {:.1} s",
        std::thread::current().name().unwrap_or_default(),
        runs.load(Relaxed),
        started.elapsed().as_secs_f32()
    );
}

/// A signal for threads that sleep. It is as stingy as it may be: `ready(n)` wakes `n` sleepers that
/// nobody woke before, and none of those that come later.
#[derive(Default)]
pub struct Bell {
    sleepers: Mutex<Vec<Sleeper>>,
    rung: Condvar,
}

struct Sleeper {
    id: usize,
    told: bool,
}

impl Bell {
    /// From now on a ring counts for this sleeper.
    fn listen(&self) -> usize {
        let mut sleepers = self.sleepers.lock().unwrap();
        let id = sleepers.iter().map(|sleeper| sleeper.id + 1).max().unwrap_or(0);
        sleepers.push(Sleeper { id, told: false });
        id
    }

    fn sleep(&self, id: usize) {
        let mut sleepers = self.sleepers.lock().unwrap();
        loop {
            let at = sleepers.iter().position(|sleeper| sleeper.id == id).unwrap();
            if sleepers[at].told {
                sleepers.remove(at);
                return;
            }
            sleepers = self.rung.wait(sleepers).unwrap();
        }
    }

    /// The sleeper found work before it slept. A ring it was given goes to another one.
    fn leave(&self, id: usize) {
        let mut sleepers = self.sleepers.lock().unwrap();
        let at = sleepers.iter().position(|sleeper| sleeper.id == id).unwrap();
        if sleepers.remove(at).told {
            ring(&mut sleepers, 1);
            self.rung.notify_all();
        }
    }
}

fn ring(sleepers: &mut [Sleeper], times: usize) {
    for sleeper in sleepers.iter_mut().filter(|sleeper| !sleeper.told).take(times) {
        sleeper.told = true;
    }
}

impl Signal for Bell {
    fn ready(&self, leases: usize) {
        ring(&mut self.sleepers.lock().unwrap(), leases);
        self.rung.notify_all();
    }
}

/// A lease, slept for if need be. Loom reports a sleeper whom nobody wakes as a deadlock.
pub fn lease_or_sleep<B: Backlog, R: ReadySet>(
    queue: &Arc<Queue<B, R, Bell>>,
) -> Held<B, R, Bell> {
    loop {
        let ear = queue.signal().listen();
        if let Some(lease) = PushQueue::try_lease_from(Arc::clone(queue)) {
            queue.signal().leave(ear);
            return lease;
        }
        queue.signal().sleep(ear);
    }
}

/// Leases and completes what is left, and shows each request to `seen`. For when the other threads have
/// ended.
pub fn drain<B: Backlog, R: ReadySet, N: Signal>(
    queue: &Queue<B, R, N>,
    mut seen: impl FnMut(&B::Payload),
) -> usize {
    for leases in 0..10 {
        let Some(lease) = queue.try_lease() else {
            return leases;
        };
        seen(lease.request());
        lease.complete();
    }
    panic!("the queue doesn't get empty");
}
