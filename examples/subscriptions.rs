//! `cargo run --release --example subscriptions`: what a table of many small groups costs.
//!
//! 100,000 clients subscribe to 20 of 100,000 keys each, leave, and come back, on one thread. The
//! names that a client subscribes to are made before each connect, as a request is decoded, and
//! that is not counted.

use std::array;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, Subscriptions};

const KEYS: usize = 100_000;
const CLIENTS: usize = 100_000;
const EACH: usize = 20;

type Key = Arc<str>;

/// A simple random sequence, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize * count) >> 31
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = |n| format!("outbound|80||service-{n}.namespace-{}.svc.cluster.local", n % 500);
    let queue = PushQueue::<Dirty>::new(Config::new(CLIENTS));
    let watched = Subscriptions::<Key>::new();
    let mut dice = Dice(1);

    let mut connect = || -> (Vec<ClientKey>, Duration) {
        let mut took = Duration::ZERO;
        let some = |_| {
            let wanted: [Key; EACH] = array::from_fn(|_| name(dice.below(KEYS)).into());
            let start = Instant::now();
            let client = queue.register().expect("there is room");
            watched.set(client, wanted).expect("it has just registered");
            took += start.elapsed();
            client
        };
        let clients = (0..CLIENTS).map(some).collect();
        (clients, took)
    };
    let disconnect = |clients: &[ClientKey]| {
        for &client in clients {
            queue.unregister(client).expect("it was registered");
            watched.leave(client);
        }
    };

    let mut clients = Vec::new();
    let memory = allocation_counter::measure(|| clients = connect().0);
    let bytes = memory.bytes_current as usize - CLIENTS * size_of::<ClientKey>();
    let each = bytes as f64 / (CLIENTS * EACH) as f64;
    println!("{:<34}{each:>9.1} bytes", "memory of a subscription");

    let (mut dice, mut found) = (Dice(2), 0);
    let keys: Vec<Key> = (0..KEYS).map(|_| name(dice.below(KEYS)).into()).collect();
    let start = Instant::now();
    for key in &keys {
        found += black_box(watched.clients(key)).len();
    }
    show("looking a key up", start.elapsed() / KEYS as u32);
    println!("{:<34}{:>9.1} clients", "  which finds", found as f64 / KEYS as f64);

    let start = Instant::now();
    for key in &keys {
        let clients = watched.clients(key);
        queue.publish_each(&clients, Lane::Normal, ())?;
    }
    show("publishing to a key's clients", start.elapsed() / KEYS as u32);

    let start = Instant::now();
    disconnect(&clients);
    show("disconnecting a client", start.elapsed() / CLIENTS as u32);
    assert_eq!(watched.keys(), 0);

    let (clients, took) = connect();
    show("connecting a client", took / CLIENTS as u32);

    let start = Instant::now();
    disconnect(&clients);
    let left = start.elapsed();
    show("all clients leave and come back", left + connect().1);
    Ok(())
}

fn show(what: &str, time: Duration) {
    let nanoseconds = time.as_nanos() as f64;
    let (value, unit) = match nanoseconds {
        few if few < 1e4 => (few, "ns"),
        some if some < 1e6 => (some / 1e3, "µs"),
        many => (many / 1e9, "s"),
    };
    println!("{what:<34}{value:>9.2} {unit}");
}
