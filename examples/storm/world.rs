//! The world that every design meets: streams that open and close, pushes that take time, clients
//! that hang.
//!
//! A push to a client is *prepared* (the server computes it) and then *sent* (the client and the
//! network take their time). Whether a permit is held during one, both or neither is the design's
//! affair, and so is whether the send timeout counts the preparation. A push that takes longer
//! closes the stream; the client, unless it hangs, reconnects and starts from everything.

use crate::clock::{ClientId, Clock, Event};
use crate::history::History;
use crate::oracle::Oracle;
use crate::population::Population;
use crate::request::{Carried, Request};
use crate::stopwatch::Stopwatch;
use std::sync::Arc;
use std::time::Duration;

/// Computing what one client needs of a change of configuration: which part of it the client can
/// see, …
pub(crate) const SCOPE: Duration = Duration::from_millis(1);
/// … and the resources themselves.
const GENERATE: Duration = Duration::from_millis(1);
/// Endpoints need neither: they are looked up.
const ENDPOINTS: Duration = Duration::from_micros(200);

/// A notice to a design.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    /// A stream opened. The client must get the whole state; register it before that state is read.
    Connected(ClientId),
    /// A stream closed, and with it the push in progress ended.
    Disconnected(ClientId),
    /// The push in progress has been prepared; its send begins.
    Prepared(ClientId),
    /// The push in progress has arrived.
    Sent(ClientId),
    /// What [`World::wake_at`] was asked for.
    Timer(u64),
}

/// One push to one client.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) request: Arc<dyn Carried>,
    /// It carries the whole state as of the request's context, not only what was merged into the
    /// request.
    pub(crate) whole: bool,
    /// Configuration has to be computed for it, not only endpoints looked up.
    pub(crate) configuration: bool,
    pub(crate) timeout_from: TimeoutFrom,
}

impl Push {
    /// The whole state for a new stream, where the stream's own loop sends it.
    pub(crate) fn first_answer(request: Arc<Request>) -> Self {
        Self { request, whole: true, configuration: true, timeout_from: TimeoutFrom::Send }
    }
}

/// What the send timeout counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeoutFrom {
    /// The turn came, and the permit was granted: the push begins to be prepared.
    Grant,
    /// The push has been prepared, and its send begins.
    Send,
}

/// What became of the pushes, in any design.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Sends begun.
    pub(crate) pushes: u64,
    /// Sends that brought the client nothing it was owed.
    pub(crate) redundant: u64,
    /// Requests that reached their client as part of another.
    pub(crate) merged: u64,
    /// Streams closed because a send took too long.
    pub(crate) evicted: u64,
}

/// The world. See the [module](self).
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) now: Duration,
    pub(crate) oracle: Oracle<'a>,
    pub(crate) history: &'a History,
    pub(crate) population: &'a Population,
    pub(crate) cpu: Stopwatch,
    pub(crate) counts: Counts,
    pub(crate) clock: Clock,
    send_timeout: Duration,
    streams: Vec<Stream>,
    flights: u64,
}

#[derive(Debug, Default)]
struct Stream {
    connected: bool,
    hung: bool,
    /// Left of its own accord, and not back yet.
    away: bool,
    flight: Option<Flight>,
    sends: u32,
    evictions: u32,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    push: Push,
    granted_at: Duration,
    sent_at: Option<Duration>,
}

impl Flight {
    /// When its send, once begun, has taken too long.
    fn deadline(&self, timeout: Duration) -> Option<Duration> {
        let sent_at = self.sent_at.filter(|_| !timeout.is_zero())?;
        let from = match self.push.timeout_from {
            TimeoutFrom::Grant => self.granted_at,
            TimeoutFrom::Send => sent_at,
        };
        Some(from + timeout)
    }
}

impl<'a> World<'a> {
    /// Everyone is connected and up to date. A `send_timeout` of zero means none; any other is
    /// longer than preparing a push takes.
    pub(crate) fn new(
        history: &'a History,
        population: &'a Population,
        oracle: Oracle<'a>,
        send_timeout: Duration,
    ) -> Self {
        let stream = || Stream { connected: true, ..Stream::default() };
        Self {
            now: Duration::ZERO,
            oracle,
            history,
            population,
            cpu: Stopwatch::new(),
            counts: Counts::default(),
            clock: Clock::default(),
            send_timeout,
            streams: population.clients.iter().map(|_| stream()).collect(),
            flights: 0,
        }
    }

    /// How many clients there are, connected or not.
    pub(crate) fn clients(&self) -> usize {
        self.streams.len()
    }

    pub(crate) fn is_hung(&self, client: ClientId) -> bool {
        self.streams[client as usize].hung
    }

    /// Whether a send to this client has begun that will never end.
    pub(crate) fn is_stuck(&self, client: ClientId) -> bool {
        let stream = &self.streams[client as usize];
        stream.hung && stream.flight.as_ref().is_some_and(|flight| flight.sent_at.is_some())
    }

    /// The request that a new stream starts from: the whole state as of now.
    pub(crate) fn everything(&self) -> Request {
        Request::everything(self.oracle.happened(), self.now)
    }

    /// Wakes the design with a [`Notice::Timer`].
    pub(crate) fn wake_at(&mut self, at: Duration, timer: u64) {
        self.clock.schedule(at.max(self.now), Event::Timer(timer));
    }

    /// Begins to prepare a push to a connected client to which none is in progress.
    pub(crate) fn begin(&mut self, client: ClientId, push: Push) {
        let preparation = if push.configuration { SCOPE + GENERATE } else { ENDPOINTS };
        self.flights += 1;
        let number = self.flights;
        self.clock.schedule(self.now + preparation, Event::Prepared(client, number));
        let stream = &mut self.streams[client as usize];
        assert!(
            stream.connected && stream.flight.is_none(),
            "a design pushes twice at once to client {client}"
        );
        stream.flight = Some(Flight { number, push, granted_at: self.now, sent_at: None });
    }

    /// Lets something happen; says what the design must know of it.
    pub(crate) fn happen(&mut self, event: Event) -> Option<Notice> {
        match event {
            Event::Prepared(client, number) => self.prepared(client, number),
            Event::Sent(client, number) => self.sent(client, number),
            Event::Deadline(client, number) => {
                self.flight(client, number)?;
                self.evict(client)
            }
            Event::Leave(client) => {
                self.streams[client as usize].away = true;
                self.oracle.left(client);
                self.close(client)
            }
            Event::Return(client) => {
                self.streams[client as usize].away = false;
                self.connect(client)
            }
            Event::Reconnect(client) if self.streams[client as usize].away => None,
            Event::Reconnect(client) => self.connect(client),
            Event::Timer(timer) => Some(Notice::Timer(timer)),
            Event::Change(number) => {
                self.oracle.change(number);
                None
            }
            Event::Hang => {
                self.hang();
                None
            }
            Event::Due | Event::Tick => None,
        }
    }

    fn flight(&mut self, client: ClientId, number: u64) -> Option<&mut Flight> {
        self.streams[client as usize].flight.as_mut().filter(|flight| flight.number == number)
    }

    fn prepared(&mut self, client: ClientId, number: u64) -> Option<Notice> {
        let (now, timeout) = (self.now, self.send_timeout);
        let flight = self.flight(client, number)?;
        flight.sent_at = Some(now);
        let deadline = flight.deadline(timeout);
        let stream = &mut self.streams[client as usize];
        let time = self.population.send_time(client, stream.sends);
        stream.sends += 1;
        self.counts.pushes += 1;
        let hung = stream.hung;
        if !hung {
            self.clock.schedule(now + time, Event::Sent(client, number));
        }
        if let Some(deadline) = deadline.filter(|&deadline| hung || now + time > deadline) {
            self.clock.schedule(deadline, Event::Deadline(client, number));
        }
        Some(Notice::Prepared(client))
    }

    fn sent(&mut self, client: ClientId, number: u64) -> Option<Notice> {
        self.flight(client, number)?;
        let stream = &mut self.streams[client as usize];
        if stream.hung {
            return None;
        }
        let Push { request, whole, .. } = stream.flight.take()?.push;
        if !self.oracle.received(client, &*request, whole, self.now) {
            self.counts.redundant += 1;
        }
        Some(Notice::Sent(client))
    }

    /// Hung clients stop reading, also in the middle of a send.
    fn hang(&mut self) {
        for (number, client) in self.population.clients.iter().enumerate() {
            if !client.hangs {
                continue;
            }
            let stream = &mut self.streams[number];
            stream.hung = true;
            self.oracle.hung(number as ClientId);
            // Not over yet: a send that was not going to end in time has its deadline already.
            let flight = stream.flight.as_ref();
            let due = flight
                .and_then(|flight| Some((flight.number, flight.deadline(self.send_timeout)?)));
            if let Some((flight, deadline)) = due {
                self.clock.schedule(deadline, Event::Deadline(number as ClientId, flight));
            }
        }
    }

    fn evict(&mut self, client: ClientId) -> Option<Notice> {
        let stream = &mut self.streams[client as usize];
        stream.evictions += 1;
        self.counts.evicted += 1;
        self.oracle.evicted(client);
        if !stream.hung {
            let back = self.population.reconnect_time(client, stream.evictions);
            self.clock.schedule(self.now + back, Event::Reconnect(client));
        }
        self.close(client)
    }

    fn close(&mut self, client: ClientId) -> Option<Notice> {
        let stream = &mut self.streams[client as usize];
        stream.flight = None;
        std::mem::take(&mut stream.connected).then_some(Notice::Disconnected(client))
    }

    fn connect(&mut self, client: ClientId) -> Option<Notice> {
        let stream = &mut self.streams[client as usize];
        if std::mem::replace(&mut stream.connected, true) {
            return None;
        }
        self.oracle.connected(client);
        Some(Notice::Connected(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;
    use crate::population::Sizes;

    /// When a stream is closed whose client hangs from the beginning.
    fn closed_at(timeout_from: TimeoutFrom) -> Duration {
        let history = generate(1, 1.0, 1, "root");
        let sizes = Sizes { clients: 1, hung: 1, slow: 0, leave: 0 };
        let population = Population::new(&history, sizes, 1);
        let oracle = Oracle::new(&history, &population);
        let mut world = World::new(&history, &population, oracle, Duration::from_secs(5));
        world.happen(Event::Hang);
        let push = Push { timeout_from, ..Push::first_answer(Arc::new(world.everything())) };
        world.begin(0, push);
        while let Some((at, event)) = world.clock.next() {
            world.now = at;
            if let Some(Notice::Disconnected(0)) = world.happen(event) {
                return at;
            }
        }
        panic!("the stream stays open");
    }

    #[test]
    fn the_send_timeout_counts_from_what_the_design_wants() {
        assert_eq!(closed_at(TimeoutFrom::Grant), Duration::from_secs(5));
        assert_eq!(closed_at(TimeoutFrom::Send), Duration::from_secs(5) + SCOPE + GENERATE);
    }
}
