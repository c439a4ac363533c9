//! What the walk does and what it loses, one test a fact.

use super::*;

const NONE: [(usize, &str); 0] = [];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn unlimited() -> Timing {
    Timing { rate: 0.0, ..Timing::default() }
}

fn walk(timing: Timing, connections: usize) -> Walk<&'static str> {
    let mut walk = Walk::new(timing);
    (0..connections).for_each(|connection| walk.connect(connection, false));
    walk
}

fn full(payload: &'static str) -> Push<&'static str> {
    Push { full: true, payload }
}

fn endpoints(payload: &'static str) -> Push<&'static str> {
    Push { full: false, payload }
}

fn deliveries(walk: &mut Walk<&'static str>) -> Vec<(usize, &'static str)> {
    let next = || walk.next_delivery();
    let mut all: Vec<_> =
        std::iter::from_fn(next).map(|delivery| (delivery.connection, delivery.payload)).collect();
    all.sort_by_key(|&(connection, _)| connection);
    all
}

#[test]
fn a_push_reaches_every_idle_connection_at_once() {
    let mut walk = walk(unlimited(), 50);
    walk.push(full("v1"), seconds(0));
    let expected: Vec<_> = (0..50).map(|connection| (connection, "v1")).collect();
    assert_eq!(deliveries(&mut walk), expected);
    assert_eq!(walk.backlog(), 0);
}

#[test]
fn a_busy_connection_gets_it_when_its_loop_is_back() {
    let mut walk = walk(unlimited(), 1);
    walk.push(full("v1"), seconds(0));
    assert_eq!(deliveries(&mut walk), [(0, "v1")]);
    walk.push(full("v2"), seconds(1));
    assert_eq!(deliveries(&mut walk), NONE);
    walk.sent(0, seconds(2));
    assert_eq!(deliveries(&mut walk), [(0, "v2")]);
}

#[test]
fn it_gives_up_fifteen_seconds_after_the_first_try() {
    let mut walk = walk(unlimited(), 1);
    walk.push(endpoints("a"), seconds(0));
    walk.push(endpoints("b"), seconds(0));
    deliveries(&mut walk);
    walk.advance(seconds(14));
    assert_eq!((walk.counts().dropped, walk.backlog()), (0, 1));
    walk.advance(seconds(15));
    assert_eq!((walk.counts().dropped, walk.backlog()), (1, 0));
    walk.sent(0, seconds(16));
    assert_eq!(deliveries(&mut walk), NONE, "what was dropped never arrives");
}

#[test]
fn after_a_failure_the_next_push_gets_one_wait_only() {
    let mut walk = walk(unlimited(), 1);
    walk.push(endpoints("a"), seconds(0));
    walk.push(endpoints("b"), seconds(0));
    deliveries(&mut walk);
    walk.advance(seconds(15));
    walk.push(endpoints("c"), seconds(20));
    walk.advance(seconds(25));
    assert_eq!(walk.counts().dropped, 2);
}

#[test]
fn an_accepted_push_clears_the_failure() {
    let mut walk = walk(unlimited(), 1);
    walk.push(endpoints("a"), seconds(0));
    walk.push(endpoints("b"), seconds(0));
    deliveries(&mut walk);
    walk.advance(seconds(15));
    walk.sent(0, seconds(16));
    walk.push(endpoints("c"), seconds(17));
    walk.push(endpoints("d"), seconds(17));
    walk.advance(seconds(31));
    assert_eq!(walk.counts().dropped, 1, "d has its fifteen seconds again");
    walk.advance(seconds(32));
    assert_eq!(walk.counts().dropped, 2);
}

#[test]
fn a_full_push_gives_up_by_itself_when_a_newer_one_begins() {
    let mut walk = walk(unlimited(), 1);
    walk.push(full("v1"), seconds(0));
    deliveries(&mut walk);
    walk.push(full("v2"), seconds(0));
    walk.push(full("v3"), seconds(1));
    walk.advance(seconds(5));
    assert_eq!(walk.counts().superseded, 1);
    walk.sent(0, seconds(6));
    assert_eq!(deliveries(&mut walk), [(0, "v3")]);
}

#[test]
fn endpoint_pushes_pile_up_instead_of_merging() {
    let mut walk = walk(unlimited(), 1);
    for payload in ["a", "b", "c", "d"] {
        walk.push(endpoints(payload), seconds(0));
    }
    assert_eq!(walk.backlog(), 3);
    let mut got = deliveries(&mut walk);
    for second in 1..4 {
        walk.sent(0, seconds(second));
        got.extend(deliveries(&mut walk));
    }
    assert_eq!(got, [(0, "a"), (0, "b"), (0, "c"), (0, "d")]);
}

#[test]
fn the_semaphore_lets_hung_connections_hold_up_everyone() {
    let mut walk = walk(Timing { semaphore: 2, ..unlimited() }, 2);
    walk.push(endpoints("a"), seconds(0));
    deliveries(&mut walk);
    walk.push(endpoints("b"), seconds(1));
    assert_eq!(walk.blocked_on().collect::<Vec<_>>(), [0, 1]);
    walk.connect(2, false);
    walk.push(endpoints("c"), seconds(2));
    assert_eq!(deliveries(&mut walk), NONE, "connection 2 is idle, and has to wait");
    walk.advance(seconds(16));
    walk.advance(seconds(21));
    assert_eq!(deliveries(&mut walk), [(2, "c")]);
}

#[test]
fn a_closed_stream_frees_the_semaphore() {
    let mut walk = walk(Timing { semaphore: 1, ..unlimited() }, 2);
    walk.push(endpoints("a"), seconds(0));
    deliveries(&mut walk);
    walk.push(endpoints("b"), seconds(0));
    walk.sent(1, seconds(1));
    assert_eq!(deliveries(&mut walk), NONE);
    walk.disconnect(0, seconds(2));
    assert_eq!(deliveries(&mut walk), [(1, "b")]);
    assert_eq!(walk.blocked_on().count(), 0);
}

#[test]
fn what_was_meant_for_an_earlier_stream_is_not_delivered_to_the_next() {
    let mut walk = walk(Timing { rate: 1.0, burst: 1, ..Timing::default() }, 2);
    walk.push(full("v1"), seconds(0));
    assert_eq!(deliveries(&mut walk), [(0, "v1")]);
    walk.disconnect(1, seconds(0));
    walk.connect(1, false);
    walk.advance(seconds(10));
    assert_eq!(deliveries(&mut walk), NONE);
    assert_eq!(walk.backlog(), 0);
}

#[test]
fn a_stream_that_answers_its_first_requests_accepts_pushes_afterwards() {
    let mut walk = walk(unlimited(), 0);
    walk.connect(0, true);
    walk.push(endpoints("a"), seconds(0));
    assert_eq!(deliveries(&mut walk), NONE);
    walk.sent(0, seconds(1));
    assert_eq!(deliveries(&mut walk), [(0, "a")]);
}

#[test]
fn walks_meet_connections_in_any_order_and_begin_anywhere() {
    let order = |walk: &mut Walk<&'static str>| -> Vec<usize> {
        walk.push(full("v"), seconds(0));
        let order: Vec<_> = std::iter::from_fn(|| walk.next_delivery()).collect();
        order.iter().for_each(|delivery| walk.sent(delivery.connection, seconds(0)));
        order.iter().map(|delivery| delivery.connection).collect()
    };
    let mut walk = walk(unlimited(), 100);
    let (first, second) = (order(&mut walk), order(&mut walk));
    assert!(!first.is_sorted());
    assert_ne!(first, second);
    let (mut first, mut second) = (first, second);
    first.sort_unstable();
    second.sort_unstable();
    assert_eq!(first, (0..100).collect::<Vec<_>>());
    assert_eq!(second, first);
}

/// The script of the loss: the limiter holds connection 1 with v1 until 20 s; v2 is dropped at 16
/// s; v1 is suppressed as stale at 20 s. Nobody will ever bring it v2.
#[test]
fn a_push_suppressed_as_stale_after_the_newer_one_was_dropped_is_lost() {
    let mut walk = walk(Timing { rate: 0.05, burst: 1, ..Timing::default() }, 2);
    walk.push(full("v1"), seconds(0));
    assert_eq!(deliveries(&mut walk), [(0, "v1")]);
    walk.push(full("v2"), seconds(1));
    walk.advance(seconds(16));
    assert_eq!(walk.counts().dropped, 2, "v2, for both");
    walk.advance(seconds(20));
    assert_eq!(walk.counts().suppressed, 1, "v1, for connection 1");
    walk.advance(seconds(1000));
    assert_eq!(deliveries(&mut walk), NONE);
    assert_eq!((walk.backlog(), walk.next_deadline()), (0, None));
}
