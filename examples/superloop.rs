//! `cargo run --example superloop`: no heap and no operating system. The queue is a `static`, an
//! interrupt handler publishes, and the main loop serves one client after another.
//!
//! It needs no feature: `cargo run --example superloop --no-default-features` does the same.

#![no_std]

// For `main` and `println!` on this machine; firmware has neither.
extern crate std;

use core::sync::atomic::{AtomicU32, Ordering};
use std::println;

use pushlane::backlog::Bits;
use pushlane::{ClientKey, Config, Lane, StaticQueue, Topic};

const SENSORS: Topic = Topic(0);
const TEMPERATURE: u32 = 1 << 0;
const ALARM: u32 = 1 << 1;

/// Four banks: 64 clients on a 64-bit target, 32 on a 32-bit one. One topic.
static QUEUE: StaticQueue<Bits<1>, 4, 1> = StaticQueue::const_new(Config::for_static());
static READING: AtomicU32 = AtomicU32::new(20);

/// What an interrupt handler does: it takes no lock, and never waits.
fn on_interrupt(reading: u32) {
    READING.store(reading, Ordering::Relaxed);
    let (lane, what) =
        if reading > 80 { (Lane::Urgent, ALARM) } else { (Lane::Normal, TEMPERATURE) };
    QUEUE.publish(SENSORS, lane, [what]).expect("the queue is open");
}

/// Sends a client what has changed since its last push: the newest reading, not all of them.
fn send(client: ClientKey, changed: u32) -> u32 {
    let reading = READING.load(Ordering::Relaxed);
    let alarm = if changed & ALARM != 0 { ", alarm" } else { "" };
    println!("to {client}: {reading}{alarm}");
    reading
}

fn main() {
    let clients: [ClientKey; 3] = core::array::from_fn(|_| {
        let client = QUEUE.register().expect("there is room");
        QUEUE.subscribe(client, SENSORS).expect("it has just registered");
        client
    });
    let mut sent = [0; 3];
    for reading in [21, 22, 85] {
        on_interrupt(reading);
        // One push each time round: the loop has other things to do as well.
        if let Some(lease) = QUEUE.try_lease() {
            let client = clients.iter().position(|&client| client == lease.key()).expect("known");
            sent[client] = send(lease.key(), lease.request()[0]);
            lease.complete();
        }
    }
    while let Some(lease) = QUEUE.try_lease() {
        let client = clients.iter().position(|&client| client == lease.key()).expect("known");
        sent[client] = send(lease.key(), lease.request()[0]);
        lease.complete();
    }
    assert_eq!(sent, [85; 3], "each client has the newest reading");
}
