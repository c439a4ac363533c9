//! `cargo run --release --example subscriptions`: what a table of many small groups costs.
//!
//! 100,000 clients subscribe to 20 of 100,000 keys each, leave, and come back, on one thread.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, PushQueue, Subscriptions};

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
    let keys: Vec<Key> = (0..KEYS).map(|n| name(n).into()).collect();
    let queue = PushQueue::<Dirty>::new(Config::new(CLIENTS));
    let watched = Subscriptions::<Key>::new();
    let mut dice = Dice(1);

    let mut connect = || -> Vec<ClientKey> {
        let some = |_| {
            let client = queue.register().expect("there is room");
            let wanted = (0..EACH).map(|_| Arc::clone(&keys[dice.below(KEYS)]));
            watched.set(client, wanted).expect("it has just registered");
            client
        };
        (0..CLIENTS).map(some).collect()
    };
    let disconnect = |clients: &[ClientKey]| {
        for &client in clients {
            queue.unregister(client).expect("it was registered");
            watched.leave(client);
        }
    };

    let mut clients = Vec::new();
    let memory = allocation_counter::measure(|| clients = connect());
    let bytes = memory.bytes_current as usize - CLIENTS * size_of::<ClientKey>();
    let each = bytes as f64 / (CLIENTS * EACH) as f64;
    println!("{:<34}{each:>9.1} bytes", "memory of a subscription");

    let (mut dice, mut found) = (Dice(2), 0);
    let start = Instant::now();
    for _ in 0..KEYS {
        found += black_box(watched.clients(&keys[dice.below(KEYS)])).len();
    }
    show("looking a key up", start.elapsed() / KEYS as u32);
    println!("{:<34}{:>9.1} clients", "  which finds", found as f64 / KEYS as f64);

    let start = Instant::now();
    disconnect(&clients);
    show("disconnecting a client", start.elapsed() / CLIENTS as u32);
    assert_eq!(watched.keys(), 0);

    let start = Instant::now();
    let clients = connect();
    show("connecting a client", start.elapsed() / CLIENTS as u32);

    let start = Instant::now();
    disconnect(&clients);
    black_box(connect());
    show("all clients leave and come back", start.elapsed());
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
