//! Every push walks all connections and hands itself to each, with timeouts and retries (Istio
//! 1.1).
//!
//! Pure logic on the caller's clock: no threads, no timers. Where the original blocks, this
//! remembers the waiters for what, and [`Walk::next_deadline`] says when to call [`Walk::advance`].
//!
//! # The sending side
//!
//! A push takes a snapshot of the connections and walks it; a semaphore shared by all walks bounds
//! the handovers under way. A handover ends when the connection's loop accepts it, when the stream
//! closes, or by a timer. After a timeout it is tried again, while less than [`Timing::give_up`]
//! has passed since the connection's *first* failure, a field of the connection that only an
//! accepted handover clears. After that **the push is dropped for this connection, and nothing else
//! notices**. A full push whose version is no longer current gives up at once; an endpoint push
//! never does.
//!
//! The connections lie in a hash map: a walk meets them in an order that has nothing to do with
//! when they connected, and begins anywhere in it. That matters: the limiter serves its waiters in
//! the order of the walk before, and if the next walk met them in the same order, it would hardly
//! ever have to wait for one.
//!
//! # The receiving side
//!
//! A connection's loop accepts one push at a time. A full push then waits in a rate limiter shared
//! by all, and is **suppressed** if its version is no longer current when its turn comes. Otherwise
//! the caller gets it ([`Walk::next_delivery`]), prepares and sends it, and says so
//! ([`Walk::sent`]): the loop accepts the next. Endpoint pushes skip the limiter and are never
//! suppressed, which is in the design's favour.
//!
//! # The loss
//!
//! A connection that waits in the limiter with v1 does not accept v2 in time: v2 is dropped. It
//! wakes, finds v1 stale, suppresses it, and is left with neither. See the test named after it.

mod handover;
mod limited;

#[cfg(test)]
mod tests;

use super::limiter::Limiter;
use handover::Handover;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// The timers and bounds of the design.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How many handovers may be under way at once.
    pub semaphore: usize,
    /// How long one handover waits for the connection's loop.
    pub handover: Duration,
    /// How long after a connection's first failure a push to it is given up.
    pub give_up: Duration,
    /// Full pushes a second, over all connections.
    pub rate: f64,
    /// Full pushes at once after a quiet time.
    pub burst: u32,
}

impl Default for Timing {
    /// As shipped.
    fn default() -> Self {
        Self {
            semaphore: 20,
            handover: Duration::from_secs(5),
            give_up: Duration::from_secs(10),
            rate: 10.0,
            burst: 100,
        }
    }
}

/// One push for everyone.
#[derive(Debug, Clone)]
pub struct Push<P> {
    /// A full push carries the whole state and is worthless once superseded; an endpoint push is an
    /// increment.
    pub full: bool,
    /// What the caller wants to find again in the [`Delivery`]. Cloned for each connection.
    pub payload: P,
}

/// A push that a connection's loop begins to work on.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery<P> {
    /// The recipient.
    pub connection: usize,
    /// As in [`Push::full`].
    pub full: bool,
    /// As in [`Push::payload`].
    pub payload: P,
}

/// What became of the handovers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given up after repeated timeouts: the client was owed this.
    pub dropped: u64,
    /// Accepted, and then found stale after the limiter.
    pub suppressed: u64,
    /// Never handed over because a newer full push had begun.
    pub superseded: u64,
}

/// The design. See the documentation of the module.
#[derive(Debug)]
pub struct Walk<P> {
    timing: Timing,
    limiter: Limiter,
    /// The version of the newest full push.
    version: u64,
    connections: Vec<Option<Connection<P>>>,
    /// Told apart from the earlier connections of the same number.
    generations: u64,
    /// The connected clients, shared by all walks that began with the same.
    snapshot: Option<Rc<[(usize, u64)]>>,
    semaphore: usize,
    /// How many walks there have been.
    begun: u64,
    /// The walks that want the semaphore for their next connection, in the order in which they
    /// asked.
    walks: VecDeque<Walking<P>>,
    handovers: Vec<Option<Handover<P>>>,
    vacant_handovers: Vec<usize>,
    blocked: usize,
    timers: BinaryHeap<Reverse<(Duration, u64, Timer)>>,
    armed: u64,
    deliveries: VecDeque<(u64, Delivery<P>)>,
    limited: usize,
    counts: Counts,
}

#[derive(Debug)]
struct Walking<P> {
    push: Push<P>,
    version: u64,
    connections: Rc<[(usize, u64)]>,
    /// Where in the snapshot it began.
    start: usize,
    /// How many it has met.
    next: usize,
}

impl<P> Walking<P> {
    /// The connection it meets next, if it hasn't met them all.
    fn meet(&mut self) -> Option<(usize, u64)> {
        let all = self.connections.len();
        (self.next < all).then(|| {
            self.next += 1;
            self.connections[(self.start + self.next - 1) % all]
        })
    }
}

#[derive(Debug)]
struct Connection<P> {
    generation: u64,
    /// Cleared by an accepted handover, set by the first timeout after that.
    first_failure: Option<Duration>,
    receiver: Receiver<P>,
    /// Handovers blocked on this connection's loop, first come first served.
    waiting: VecDeque<usize>,
}

#[derive(Debug)]
enum Receiver<P> {
    Idle,
    Limited { push: Push<P>, version: u64 },
    Sending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Handover { handover: usize, attempt: u64 },
    Turn { connection: usize, generation: u64 },
}

impl<P: Clone> Walk<P> {
    /// Nobody connected.
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            limiter: Limiter::new(timing.rate, timing.burst),
            version: 0,
            connections: Vec::new(),
            generations: 0,
            snapshot: None,
            semaphore: timing.semaphore,
            begun: 0,
            walks: VecDeque::new(),
            handovers: Vec::new(),
            vacant_handovers: Vec::new(),
            blocked: 0,
            timers: BinaryHeap::new(),
            armed: 0,
            deliveries: VecDeque::new(),
            limited: 0,
            counts: Counts::default(),
        }
    }

    /// A stream opened. Its loop accepts pushes at once, or if `busy` only after [`Self::sent`]: it
    /// answers the client's first requests until then.
    pub fn connect(&mut self, connection: usize, busy: bool) {
        if self.connections.len() <= connection {
            self.connections.resize_with(connection + 1, || None);
        }
        self.generations += 1;
        self.snapshot = None;
        self.connections[connection] = Some(Connection {
            generation: self.generations,
            first_failure: None,
            receiver: if busy { Receiver::Sending } else { Receiver::Idle },
            waiting: VecDeque::new(),
        });
    }

    /// A stream closed: every handover that waits for it notices, and so does its loop.
    pub fn disconnect(&mut self, connection: usize, now: Duration) {
        let Some(gone) = self.connections.get_mut(connection).and_then(Option::take) else {
            return;
        };
        self.snapshot = None;
        if let Receiver::Limited { .. } = gone.receiver {
            self.limited -= 1;
        }
        for handover in gone.waiting {
            self.end_handover(handover);
        }
        self.go_on(now);
    }

    /// Begins a push to everyone who is connected now.
    pub fn push(&mut self, push: Push<P>, now: Duration) {
        if push.full {
            self.version += 1;
        }
        let connections = self.snapshot();
        let version = self.version;
        self.begun += 1;
        let start = scatter(self.begun) as usize % connections.len().max(1);
        self.walks.push_back(Walking { push, version, connections, start, next: 0 });
        self.go_on(now);
    }

    /// The connection's loop has sent what it was given and is back for more.
    pub fn sent(&mut self, connection: usize, now: Duration) {
        if self.finish(connection, now) {
            self.go_on(now);
        }
    }

    /// The next push that a loop begins to work on. Ask until there is none, after each other call.
    pub fn next_delivery(&mut self) -> Option<Delivery<P>> {
        loop {
            let (generation, delivery) = self.deliveries.pop_front()?;
            if self.connection(delivery.connection, generation).is_some() {
                return Some(delivery);
            }
        }
    }

    /// When [`Self::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.peek().map(|Reverse((at, ..))| *at)
    }

    /// Lets all timers run out that are due by `now`.
    pub fn advance(&mut self, now: Duration) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let Some(Reverse((at, _, timer))) = self.timers.pop() else {
                break;
            };
            match timer {
                Timer::Handover { handover, attempt } => self.timed_out(handover, attempt, at),
                Timer::Turn { connection, generation } => self.turn(connection, generation, at),
            }
            self.go_on(at);
        }
    }

    /// What became of the handovers so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Pushes accepted for a client and not begun: still to be walked to, being handed over, or in
    /// the limiter.
    pub fn backlog(&self) -> usize {
        let ahead = |walk: &Walking<P>| walk.connections.len() - walk.next;
        self.walks.iter().map(ahead).sum::<usize>() + self.blocked + self.limited
    }

    /// The connections whose loops hold up a handover, and with it a place in the semaphore.
    pub fn blocked_on(&self) -> impl Iterator<Item = usize> {
        self.handovers.iter().flatten().map(|handover| handover.connection)
    }

    fn snapshot(&mut self) -> Rc<[(usize, u64)]> {
        let connected = |(number, connection): (usize, &Option<Connection<P>>)| {
            connection.as_ref().map(|connection| (number, connection.generation))
        };
        let connections = &self.connections;
        let fresh = || {
            let mut all: Vec<_> = connections.iter().enumerate().filter_map(connected).collect();
            all.sort_unstable_by_key(|&(_, generation)| scatter(generation));
            all.into()
        };
        Rc::clone(self.snapshot.get_or_insert_with(fresh))
    }

    fn connection(&mut self, connection: usize, generation: u64) -> Option<&mut Connection<P>> {
        let connection = self.connections.get_mut(connection)?.as_mut()?;
        (connection.generation == generation).then_some(connection)
    }

    fn arm(&mut self, at: Duration, timer: Timer) {
        self.armed += 1;
        self.timers.push(Reverse((at, self.armed, timer)));
    }
}

/// Takes neighbours far apart, always alike: stands in for a map's hash, so that a run can be
/// repeated.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 32)
}
