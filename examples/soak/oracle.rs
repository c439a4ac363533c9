//! What has been published to which clients, and what has arrived.
//!
//! A *stream* is a source of changes, and each change of a stream has the next number. A publish
//! says which stream has changed; a worker reads the stream's newest number, as a control plane
//! reads its config. So a client has all that it is owed if it has the newest number of each of its
//! streams.
//!
//! Relaxed throughout: it is the queue that has to make these numbers visible. And cheap, so that
//! the threads are at the queue most of the time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use pushlane::{ClientKey, Topic};

/// Streams of which each client has its own.
pub(crate) const OWN: usize = 2;
/// The stream that concerns everyone.
pub(crate) const ALL: usize = OWN;
/// Streams of topics: of each of the first ones a third of the staying clients is a subscriber for
/// life, the others are subscribed to and left again.
pub(crate) const FIRST_TOPIC: usize = ALL + 1;
pub(crate) const FIXED: usize = 3;
pub(crate) const LOOSE: usize = 2;
pub(crate) const TOPICS: usize = FIXED + LOOSE;
pub(crate) const STREAMS: usize = FIRST_TOPIC + TOPICS;

pub(crate) type Numbers = [u32; STREAMS];

/// A client's place. On cache lines of its own, so that the oracle doesn't couple what the queue
/// keeps apart.
#[derive(Default)]
#[repr(align(128))]
struct Place {
    published: [AtomicU32; OWN],
    arrived: [AtomicU32; STREAMS],
    leased: AtomicBool,
}

pub(crate) struct Oracle {
    places: Box<[Place]>,
    /// The clients below stay.
    staying: usize,
    /// The newest number of each stream that clients share.
    shared: [AtomicU32; STREAMS],
    /// The newest number of which the publish has returned.
    returned: [AtomicU32; STREAMS],
}

/// One change, and the clients that it concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) stream: usize,
    pub(crate) number: u32,
    pub(crate) only: Option<ClientKey>,
}

pub(crate) const fn topic_of(stream: usize) -> Topic {
    Topic((stream - FIRST_TOPIC) as u32)
}

/// The topic that the client of a place is subscribed to for life, if it stays.
pub(crate) const fn fixed_stream(place: usize) -> usize {
    FIRST_TOPIC + place % FIXED
}

impl Oracle {
    pub(crate) fn new(places: usize, staying: usize) -> Self {
        let places = std::iter::repeat_with(Place::default).take(places).collect();
        Oracle { places, staying, shared: Default::default(), returned: Default::default() }
    }

    fn newest(&self, place: usize, stream: usize) -> &AtomicU32 {
        match stream {
            ..OWN => &self.places[place].published[stream],
            _ => &self.shared[stream],
        }
    }

    /// A stream changes: to be called before that is published.
    pub(crate) fn change(&self, stream: usize, only: Option<ClientKey>) -> Change {
        let newest = self.newest(only.map_or(0, ClientKey::index), stream);
        Change { stream, number: newest.fetch_add(1, Relaxed) + 1, only }
    }

    /// The publish of a change for many has returned.
    pub(crate) fn returned(&self, change: Change) {
        self.returned[change.stream].fetch_max(change.number, Relaxed);
    }

    /// The newest change of a shared stream; the newest one that has been published.
    pub(crate) fn begun_and_returned(&self, stream: usize) -> (u32, u32) {
        (self.shared[stream].load(Relaxed), self.returned[stream].load(Relaxed))
    }

    /// What a push carries now: the newest numbers of these streams.
    pub(crate) fn read(&self, client: ClientKey, streams: u32) -> Numbers {
        let mut numbers = [0; STREAMS];
        let mut rest = streams & ((1 << STREAMS) - 1);
        while rest != 0 {
            let stream = rest.trailing_zeros() as usize;
            numbers[stream] = self.newest(client.index(), stream).load(Relaxed);
            rest &= rest - 1;
        }
        numbers
    }

    /// The client has them.
    pub(crate) fn arrive(&self, client: ClientKey, numbers: &Numbers) {
        for (arrived, number) in self.places[client.index()].arrived.iter().zip(numbers) {
            // A newcomer's first state and its first push may arrive together.
            if arrived.load(Relaxed) < *number {
                arrived.fetch_max(*number, Relaxed);
            }
        }
    }

    pub(crate) fn arrived(&self, place: usize, stream: usize) -> u32 {
        self.places[place].arrived[stream].load(Relaxed)
    }

    /// A client that the change certainly concerned and that does not have it.
    pub(crate) fn without(&self, change: Change) -> Option<usize> {
        let behind = |place: &usize| self.arrived(*place, change.stream) < change.number;
        match (change.only, change.stream) {
            (Some(client), _) => Some(client.index()).filter(behind),
            (None, ALL) => (0..self.staying).find(behind),
            (None, stream) if stream - FIRST_TOPIC < FIXED => {
                (stream - FIRST_TOPIC..self.staying).step_by(FIXED).find(behind)
            }
            // A client that is subscribed now and then is checked when it leaves the topic.
            _ => None,
        }
    }

    /// The first stream of these in which the client is behind.
    pub(crate) fn missing(&self, client: ClientKey, streams: &[usize]) -> Option<usize> {
        let place = client.index();
        let behind = |stream: &usize| {
            self.arrived(place, *stream) != self.newest(place, *stream).load(Relaxed)
        };
        streams.iter().copied().find(behind)
    }

    /// A lease begins. False: its client has one already.
    #[must_use]
    pub(crate) fn begin(&self, client: ClientKey) -> bool {
        !self.places[client.index()].leased.swap(true, Relaxed)
    }

    /// To be called before the lease ends.
    pub(crate) fn end(&self, client: ClientKey) {
        self.places[client.index()].leased.store(false, Relaxed);
    }
}
