//! A control plane on embassy's executor, over a queue in a `static`: workers push, clients come
//! and go, and the timer's interrupt publishes what has changed.

#![no_std]
#![no_main]

mod clock;
mod state;
mod waiters;

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use embassy_executor::Spawner;
use embassy_time::Timer;
use pushlane::backlog::Bits;
use pushlane::{ClientKey, Lane, Target, Topic};
use pushlane_firmware::{Chance, board};

use state::{ALL, KINDS, State};
use waiters::Waiters;

pushlane_firmware::panic_to_host!();

const CLIENTS: usize = 20;
const WORKERS: usize = 3;
/// Fewer than workers: one of them has to wait for a permit.
const PERMITS: usize = 2;
const PUBLISHES: u32 = 10_000;

pushlane::static_queue! {
    static QUEUE: Bits<1>, clients = CLIENTS, topics = KINDS, permits = PERMITS,
    signal = Waiters: Waiters::new()
}

static STATE: State<CLIENTS> = State::new();
static PUBLISHED: AtomicU32 = AtomicU32::new(0);
static PUSHES: AtomicU32 = AtomicU32::new(0);

/// The interrupt: time goes on, and now and then something changes. Not so often that the workers
/// never sleep.
fn tick(at: usize) {
    let mut chance = Chance::new(clock::tick() ^ at as u32);
    if chance.once_in(4) && PUBLISHED.load(Relaxed) < PUBLISHES {
        let kind = chance.below(KINDS as u32);
        let lane = if chance.once_in(4) { Lane::Urgent } else { Lane::Normal };
        STATE.change(kind as usize);
        QUEUE.publish(Topic(kind), lane, [1 << kind]).expect("the queue is open");
        PUBLISHED.store(PUBLISHED.load(Relaxed) + 1, Relaxed);
    }
    board::arm(20 + chance.below(400));
}

/// Pushes to one client after another; a push takes a few ticks.
#[embassy_executor::task(pool_size = WORKERS)]
async fn worker(mut chance: Chance) {
    loop {
        let lease = QUEUE.signal().until_ready(|| QUEUE.try_lease()).await;
        let push = STATE.begin(lease.key().index(), lease.request()[0]);
        Timer::after_ticks(u64::from(chance.below(3))).await;
        STATE.end(lease.key().index(), push);
        PUSHES.store(PUSHES.load(Relaxed) + 1, Relaxed);
        lease.complete();
    }
}

fn connect() -> ClientKey {
    let client = QUEUE.register().expect("there is room");
    STATE.connected(client.index());
    for kind in 0..KINDS {
        QUEUE.subscribe(client, Topic(kind as u32)).expect("it has just registered");
    }
    QUEUE.publish(Target::One(client), Lane::Normal, [ALL]).expect("the queue is open");
    client
}

/// Waits for what always happens soon. A wake-up that is lost is one that the deadline has to make.
async fn until(what: &str, happened: impl Fn() -> bool) {
    let mut happened = pin!(QUEUE.signal().until_progress(|| happened().then_some(())));
    let mut deadline = pin!(Timer::after_secs(60));
    poll_fn(|context| {
        assert!(deadline.as_mut().poll(context).is_pending(), "nothing wakes for {what}");
        happened.as_mut().poll(context)
    })
    .await;
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    for seed in 0..WORKERS as u32 {
        spawner.spawn(worker(Chance::new(seed + 1)).expect("the pool has room for it"));
    }
    let mut chance = Chance::new(WORKERS as u32 + 1);
    let mut clients = [const { None }; CLIENTS];
    let (mut waits, mut connections) = (0, 0);
    board::start(tick);
    board::arm(1);

    while PUBLISHED.load(Relaxed) < PUBLISHES {
        // One client leaves, or comes.
        let client = &mut clients[chance.below(CLIENTS as u32) as usize];
        *client = match client.take() {
            Some(client) => {
                QUEUE.unregister(client).expect("it is registered");
                None
            }
            None if QUEUE.clients() < CLIENTS => {
                connections += 1;
                Some(connect())
            }
            // The place of a client that has left, until its push ends.
            None => None,
        };
        let changes = STATE.changes();
        let version = QUEUE.barrier();
        until("convergence", || QUEUE.is_converged(version)).await;
        for client in clients.iter().flatten() {
            STATE.assert_has(client.index(), changes);
        }
        waits += 1;
    }

    QUEUE.close();
    until("the end of the drain", || QUEUE.is_drained()).await;
    for client in clients.iter().flatten() {
        STATE.assert_has(client.index(), STATE.changes());
    }
    assert_eq!(QUEUE.permits_held(), 0, "permits never came back");
    board::println!(
        "{PUBLISHES} publishes by the interrupt, {} pushes by {WORKERS} tasks, {connections} clients",
        PUSHES.load(Relaxed)
    );
    board::println!("waited {waits} times for convergence, and for the drain: nothing lost");
    board::exit(true)
}
