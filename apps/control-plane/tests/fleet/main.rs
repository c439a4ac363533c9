//! Three replicas over a real etcd, whose wall clocks are hours apart, 300 clients on loopback, and
//! what goes wrong with them.
//!
//! After each fault: every client has what etcd has; `wait` has become true, and when it did, every
//! client had the revision; no client was ever served a revision older than one that it had
//! acknowledged; and no replica takes much more memory than at the beginning.
//!
//! Needs etcd (Debian: `etcd-server`) and a C compiler. All ports are of loopback.

mod client;
mod commands;
mod fleet;
mod processes;
mod proxy;
mod restored;
mod skew;
mod tls;

use fleet::Fleet;
use std::time::Duration;

/// By how many kB a replica's memory may have grown: one for each stream. On a busy machine it
/// grows by up to half of this, since clients gather at one replica for a moment.
const MARGIN: u64 = 1_200;

/// In one test: the clients stay, from one fault to the next.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_is_early() {
    let mut fleet = Fleet::start().await;
    // A client that has not connected yet is not counted.
    fleet.connected().await;
    fleet.put_and_check("the first state").await;

    // A client that does not acknowledge holds the fleet back, and is named.
    fleet.hold(true);
    let held = fleet.put();
    let laggards = fleet.wait(held, 2).expect_err("a client has not answered");
    assert!(laggards.contains("client-0"), "{laggards}");
    fleet.hold(false);
    fleet.check(held, "the client has answered").await;

    // One replica is killed in the middle of a burst, and comes back.
    for round in 0..20 {
        fleet.put();
        if round == 8 {
            fleet.kill(0);
        }
    }
    fleet.put_and_check("a replica was killed").await;
    fleet.restart(0).await;
    fleet.balanced().await;
    fleet.put_and_check("it has come back").await;

    // The operator lowers a replica's limit: what is beyond it goes, and comes back later.
    fleet.limit(0, "60");
    fleet.spread([60, 132, 132]).await;
    fleet.put_and_check("a replica's limit was lowered").await;
    fleet.limit(0, "none");
    fleet.line(0, "from now on 500 streams").await;

    // One replica is asked to end: its clients go one after another, and are not forgotten on the
    // way.
    fleet.put();
    fleet.replica(1).signal("TERM");
    for _ in 0..8 {
        fleet.put();
    }
    fleet.put_and_check("a replica has ended").await;
    fleet.restart(1).await;
    fleet.balanced().await;

    // A replica is cut off, and what it has missed is compacted.
    fleet.proxy.cut(true);
    let missed = fleet.put();
    if fleet.wait(missed, 1).is_ok() {
        let log = fleet.replica(2).log();
        assert!(log.contains("the lease can't be renewed"), "it is cut off and has clients: {log}");
    }
    for _ in 0..5 {
        fleet.put();
    }
    fleet.compact().await;
    fleet.put_and_check("its clients have gone elsewhere").await;
    fleet.proxy.cut(false);
    fleet.line(2, "compacted").await;
    fleet.balanced().await;
    fleet.put_and_check("it has read the state anew").await;

    // The connection of one replica to etcd is slow, and breaks again and again.
    fleet.proxy.trouble(Duration::from_millis(100), Duration::from_millis(1_500));
    for _ in 0..20 {
        fleet.put();
    }
    fleet.put_and_check("a slow and broken connection").await;
    fleet.proxy.trouble(Duration::ZERO, Duration::MAX);

    fleet.etcd.signal("STOP");
    tokio::time::sleep(Duration::from_secs(10)).await;
    fleet.etcd.signal("CONT");
    // No replica had a lease, so all clients were away: they are not counted until they are back.
    fleet.connected().await;
    fleet.put_and_check("etcd stood still").await;

    fleet.restart_etcd().await;
    fleet.connected().await;
    fleet.put_and_check("etcd was restarted").await;

    // What clients leave behind is freed: 1,200 streams of each replica.
    let level = fleet.come_again(4).await;
    let memory = fleet.come_again(12).await;
    fleet.put_and_check("all clients came again").await;
    println!("memory in kB: {level:?}, then {memory:?}");
    for (before, after) in level.into_iter().zip(memory) {
        assert!(after < before + MARGIN, "{before} kB, then {after} kB");
    }
}
