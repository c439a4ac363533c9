//! What the models share: how loom explores them, and a signal for threads that sleep.

#![allow(dead_code, reason = "every model uses its own part of this")]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::time::Instant;

use loom::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use loom::sync::{Condvar, Mutex};
use loom::thread::spawn;
use pushlane::backlog::Backlog;
use pushlane::ready::{ReadySet, Sweep};
use pushlane::storage::Heap;
use pushlane::{Lease, NoSignal, PushQueue, Signal};

pub type Queue<B, R = Sweep, N = NoSignal> = PushQueue<B, Heap<R>, N>;
pub type Held<B, R = Sweep, N = NoSignal> = Lease<Arc<Queue<B, R, N>>>;

/// Runs `model` for every interleaving of its threads with at most `preemptions` forced switches,
/// and for every value that each load may see.
///
/// Without a bound the smallest model of a whole queue does not end within a day. Bugs need few
/// forced switches: two find every known broken variant. A switch at the end of a thread or in a
/// wait is not counted.
///
/// Two threads are started in both orders, and everything runs again with each [`pause`] as a wait.
/// Three threads are started in one order only, because the others cost more than they find.
pub fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    let started = Instant::now();
    let runs = Arc::new(Count::new(0));
    TRIALS.set(1);
    let mut trial = 0;
    while trial < TRIALS.get() {
        TRIAL.set(trial);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 10_000;
        let (model, runs) = (Arc::clone(&model), Arc::clone(&runs));
        builder.check(move || {
            runs.fetch_add(1, Relaxed);
            model();
        });
        trial += 1;
    }
    // Shown by `cargo test -- --nocapture`.
    println!(
        "{}: {} executions in {:.1} s",
        std::thread::current().name().unwrap_or_default(),
        runs.load(Relaxed),
        started.elapsed().as_secs_f32()
    );
}

/// The bound of a model that takes long with `thorough` preemptions: `quick`, unless the
/// environment has `PUSHLANE_THOROUGH`.
pub fn quick_or(thorough: usize, quick: usize) -> usize {
    if std::env::var_os("PUSHLANE_THOROUGH").is_some() { thorough } else { quick }
}

std::thread_local! {
    static TRIAL: Cell<usize> = const { Cell::new(0) };
    static TRIALS: Cell<usize> = const { Cell::new(1) };
    static ORDERS: Cell<usize> = const { Cell::new(1) };
}

/// Runs two or three roles at once, each in a thread of its own, and joins them.
///
/// The calling thread must not play a role. Loom reorders an access only with the last one before
/// it, and never moves it to before a spawn, so it tries few of the orders between the spawning
/// thread and the others. A model written that way let a broken backlog pass without any bound.
pub fn race<R: Roles>(roles: R) -> R::Results {
    ORDERS.set(R::ORDERS);
    TRIALS.set(TRIALS.get().max(R::ORDERS));
    roles.play(TRIAL.get() % R::ORDERS)
}

/// A moment between two steps of a role at which the others may run as long as they like.
///
/// Loom does not always try this switch by itself. Without the pause before a publisher's look, a
/// lease that reads the version too late passed with any bound, although convergence was early.
pub fn pause() {
    let orders = ORDERS.get();
    TRIALS.set(2 * orders);
    if TRIAL.get() >= orders {
        loom::thread::yield_now();
    }
}

/// Functions, each for a thread of its own.
pub trait Roles {
    /// In how many orders the threads are started.
    const ORDERS: usize;
    type Results;
    fn play(self, order: usize) -> Self::Results;
}

impl<A, B, X: 'static, Y: 'static> Roles for (A, B)
where
    A: FnOnce() -> X + 'static,
    B: FnOnce() -> Y + 'static,
{
    const ORDERS: usize = 2;
    type Results = (X, Y);

    fn play(self, order: usize) -> (X, Y) {
        let (a, b) = self;
        let (a, b) = if order == 0 {
            let a = spawn(a);
            (a, spawn(b))
        } else {
            let b = spawn(b);
            (spawn(a), b)
        };
        (a.join().unwrap(), b.join().unwrap())
    }
}

impl<A, B, C, X: 'static, Y: 'static, Z: 'static> Roles for (A, B, C)
where
    A: FnOnce() -> X + 'static,
    B: FnOnce() -> Y + 'static,
    C: FnOnce() -> Z + 'static,
{
    const ORDERS: usize = 1;
    type Results = (X, Y, Z);

    fn play(self, _: usize) -> (X, Y, Z) {
        let (a, b, c) = self;
        let (a, b, c) = (spawn(a), spawn(b), spawn(c));
        (a.join().unwrap(), b.join().unwrap(), c.join().unwrap())
    }
}

/// A role with a handle of `what`, which is usually a queue.
pub fn on<W, T, F>(what: &Arc<W>, role: F) -> impl FnOnce() -> T + use<W, T, F>
where
    F: FnOnce(&Arc<W>) -> T,
{
    let what = Arc::clone(what);
    move || role(&what)
}

/// A signal for threads that sleep, and the weakest that is allowed: `ready(n)` wakes `n` sleepers
/// that were not woken before, and none that comes later.
///
/// The list is behind a mutex that loom doesn't see, which halves the switches to try. The gate
/// stands for it: loom switches threads only at operations that it sees.
#[derive(Default)]
pub struct Bell {
    gate: AtomicUsize,
    sleepers: std::sync::Mutex<Vec<Sleeper>>,
    next: Count,
}

#[derive(Clone)]
struct Sleeper {
    id: usize,
    told: Arc<Count>,
    bed: Arc<(Mutex<()>, Condvar)>,
}

impl Bell {
    /// Synchronizes with every earlier entry.
    fn enter(&self) -> std::sync::MutexGuard<'_, Vec<Sleeper>> {
        self.gate.fetch_add(1, AcqRel);
        self.sleepers.lock().unwrap()
    }

    /// From now on `ready` wakes this sleeper.
    fn listen(&self) -> Sleeper {
        let id = self.next.fetch_add(1, Relaxed);
        let bed = Arc::new((Mutex::new(()), Condvar::new()));
        let sleeper = Sleeper { id, told: Arc::default(), bed };
        self.enter().push(sleeper.clone());
        sleeper
    }

    fn sleep(&self, sleeper: &Sleeper) {
        let (bed, rung) = &*sleeper.bed;
        let mut blanket = bed.lock().unwrap();
        while sleeper.told.load(Relaxed) == 0 {
            blanket = rung.wait(blanket).unwrap();
        }
        drop(blanket);
        self.enter().retain(|other| other.id != sleeper.id);
        // The thread that rang may hold something for which this one would spin.
        loom::thread::yield_now();
    }

    /// The sleeper found work before it slept, and passes its wake-up on.
    fn leave(&self, sleeper: &Sleeper) {
        let mut sleepers = self.enter();
        sleepers.retain(|other| other.id != sleeper.id);
        if sleeper.told.load(Relaxed) != 0 {
            ring(sleepers, 1);
        }
    }
}

fn ring(sleepers: std::sync::MutexGuard<'_, Vec<Sleeper>>, times: usize) {
    let told: Vec<_> = sleepers
        .iter()
        .filter(|sleeper| sleeper.told.load(Relaxed) == 0)
        .take(times)
        .cloned()
        .inspect(|sleeper| sleeper.told.store(1, Relaxed))
        .collect();
    drop(sleepers);
    for sleeper in told {
        let (bed, rung) = &*sleeper.bed;
        drop(bed.lock().unwrap());
        rung.notify_one();
    }
}

impl Signal for Bell {
    fn ready(&self, leases: usize) {
        ring(self.enter(), leases);
    }
}

/// Leases, and sleeps until it can. Loom reports a sleeper that is never woken as a deadlock.
pub fn lease_or_sleep<B: Backlog, R: ReadySet>(queue: &Arc<Queue<B, R, Bell>>) -> Held<B, R, Bell> {
    loop {
        let ear = queue.signal().listen();
        if let Some(lease) = PushQueue::try_lease_from(Arc::clone(queue)) {
            queue.signal().leave(&ear);
            return lease;
        }
        queue.signal().sleep(&ear);
    }
}

/// Leases and completes what is left, once the other threads have ended. Shows each request to
/// `seen`.
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
