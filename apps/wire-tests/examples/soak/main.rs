//! Streams that come, go, reject, stall and die for a long time, while resources change.
//!
//!     cargo run --release -p wire-tests --features soak --example soak -- --minutes 30
//!
//! In the end every client that answers has what it asks for at its newest version (or has rejected
//! that version), no stream is left on the server, and memory has stayed level. Server and clients
//! are one process; what clients keep is bounded.

mod client;
mod memory;
mod world;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushlane::adapters::xds::{Ads, Limits, Server};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::client::{Group, Tally};
use crate::memory::Memory;
use crate::world::World;

/// Streams of one connection.
const TOGETHER: usize = 8;
/// How long all may take to be right, and to be gone, once nothing changes any more.
const LONG: Duration = Duration::from_secs(120);

/// What the command line asks for.
struct Wanted {
    minutes: f64,
    streams: usize,
    rate: u32,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { minutes: 30.0, streams: 2_000, rate: 50 };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let wrong = |_| format!("{flag} {value}: expected a number");
        match flag.as_str() {
            "--minutes" => wanted.minutes = value.parse().map_err(|_| wrong(()))?,
            "--streams" => wanted.streams = value.parse().map_err(|_| wrong(()))?,
            "--rate" => wanted.rate = value.parse().map_err(|_| wrong(()))?,
            _ => return Err(format!("{flag}: expected --minutes, --streams or --rate")),
        }
    }
    Ok(wanted)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = wanted()?;
    let mut limits = Limits::default();
    limits.streams = wanted.streams * 2;
    limits.types = 2;
    limits.send_deadline = Duration::from_secs(5);
    limits.ack_deadline = Duration::from_secs(20);
    let ads = Ads::builder().limits(limits).start();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    // Connections age, so that streams also end in the server's good order.
    let server = Server::plaintext(&ads)
        .max_connection_age(Some(Duration::from_secs(60)))
        .max_connections_per_peer(wanted.streams);
    let serving = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));

    let world = Arc::new(World::new(&ads)?);
    let tally = Arc::new(Tally::default());
    let (quiet, is_quiet) = watch::channel(false);
    let mut groups = JoinSet::new();
    for number in 0..wanted.streams.div_ceil(TOGETHER) {
        let group = Group::new(number, address, Arc::clone(&world), Arc::clone(&tally));
        groups.spawn(group.run(TOGETHER, is_quiet.clone()));
    }

    let end = Instant::now() + Duration::from_secs_f64(wanted.minutes * 60.0);
    let mut memory = Memory::new(Duration::from_secs_f64(wanted.minutes * 60.0));
    let mut ticks = interval(Duration::from_secs(1) / wanted.rate.max(1));
    let mut changes = 0_u64;
    let mut said = Instant::now();
    while Instant::now() < end {
        ticks.tick().await;
        world.change(&ads)?;
        changes += 1;
        memory.sample();
        if said.elapsed() > Duration::from_secs(60) {
            said = Instant::now();
            println!("{changes} changes, {} streams, {memory}, {tally}", ads.metrics().streams);
        }
    }

    quiet.send_replace(true);
    let deadline = Instant::now() + LONG;
    let mut wrong = wanted.streams;
    while wrong > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        wrong = world.wrong(wanted.streams.div_ceil(TOGETHER) * TOGETHER);
    }
    println!("{changes} changes, {} streams, {memory}, {tally}", ads.metrics().streams);
    println!("{wrong} clients are not right");
    groups.shutdown().await;
    let deadline = Instant::now() + LONG;
    let left = || (ads.metrics().streams, ads.metrics().queue_clients, ads.metrics().permits_held);
    while left() != (0, 0, 0) && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
    println!("left on the server (streams, subscriptions, permits): {:?}", left());
    println!("{:?}", ads.metrics());
    let _ = stop.send(());
    serving.await??;
    if wrong > 0 {
        return Err(format!("{wrong} clients don't have what they should have").into());
    }
    if left() != (0, 0, 0) {
        return Err("something is left on the server".into());
    }
    memory.is_level()?;
    Ok(())
}
