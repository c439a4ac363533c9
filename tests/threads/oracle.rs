//! What has been published to which client, and what has arrived. Publishers write it before they
//! publish, workers before they complete.
//!
//! A *stream* is a source of changes, and each change of a stream has the next number. A publish
//! says which stream has changed. A worker reads the stream's newest number, as a control plane
//! reads its config. So a client has all that it is owed if it has the newest number of each of its
//! streams.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use pushlane::{ClientKey, Topic};

/// Streams of which each client has its own.
pub(crate) const OWN: usize = 4;
/// The stream that concerns everyone.
pub(crate) const ALL: usize = OWN;
/// How many streams concern the members of a topic: stream `ALL + 1 + topic`.
pub(crate) const TOPICS: usize = 3;
pub(crate) const STREAMS: usize = OWN + 1 + TOPICS;

/// Relaxed throughout: it is the queue that has to make these numbers visible.
#[derive(Default)]
struct Numbers([AtomicU32; STREAMS]);

#[derive(Default)]
struct Place {
    published: Numbers,
    arrived: Numbers,
    leased: AtomicBool,
}

pub(crate) struct Oracle {
    places: Box<[Place]>,
    /// The streams that clients share.
    shared: Numbers,
}

/// One change, and the clients that it concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) stream: usize,
    pub(crate) number: u32,
    pub(crate) only: Option<ClientKey>,
}

pub(crate) const fn topic_of(stream: usize) -> Topic {
    Topic((stream - ALL - 1) as u32)
}

/// The streams, as bits, that concern the client of a place.
pub(crate) fn streams_of(place: usize) -> u32 {
    let topic = place % TOPICS;
    ((1 << OWN) - 1) | (1 << ALL) | (1 << (ALL + 1 + topic))
}

fn bits(streams: u32) -> impl Iterator<Item = usize> {
    (0..STREAMS).filter(move |stream| streams & 1 << stream != 0)
}

impl Oracle {
    pub(crate) fn new(places: usize) -> Self {
        let places = std::iter::repeat_with(Place::default).take(places).collect();
        Oracle { places, shared: Numbers::default() }
    }

    fn newest(&self, place: usize, stream: usize) -> &AtomicU32 {
        match stream {
            ..OWN => &self.places[place].published.0[stream],
            _ => &self.shared.0[stream],
        }
    }

    /// A stream changes. Called before the publish.
    pub(crate) fn change(&self, stream: usize, only: Option<ClientKey>) -> Change {
        let newest = self.newest(only.map_or(0, ClientKey::index), stream);
        Change { stream, number: newest.fetch_add(1, Relaxed) + 1, only }
    }

    /// What a push that begins now contains: the newest numbers of these streams.
    pub(crate) fn read(&self, client: ClientKey, streams: u32) -> [u32; STREAMS] {
        let mut numbers = [0; STREAMS];
        for stream in bits(streams & streams_of(client.index())) {
            numbers[stream] = self.newest(client.index(), stream).load(Relaxed);
        }
        numbers
    }

    /// The client has them.
    pub(crate) fn arrive(&self, client: ClientKey, numbers: [u32; STREAMS]) {
        let arrived = &self.places[client.index()].arrived;
        for (arrived, number) in arrived.0.iter().zip(numbers) {
            arrived.fetch_max(number, Relaxed);
        }
    }

    /// Whether each client below `places` that the change concerned has it.
    pub(crate) fn has_arrived(&self, change: Change, places: usize) -> bool {
        let places = match change.only {
            Some(client) => client.index()..client.index() + 1,
            None => 0..places,
        };
        places
            .filter(|place| streams_of(*place) & 1 << change.stream != 0)
            .all(|place| self.places[place].arrived.0[change.stream].load(Relaxed) >= change.number)
    }

    /// The streams in which the client is behind.
    pub(crate) fn missing(&self, client: ClientKey) -> Vec<usize> {
        let place = client.index();
        let arrived = &self.places[place].arrived.0;
        bits(streams_of(place))
            .filter(|stream| {
                arrived[*stream].load(Relaxed) != self.newest(place, *stream).load(Relaxed)
            })
            .collect()
    }

    /// No other worker may have a lease of the client.
    pub(crate) fn begin(&self, client: ClientKey) {
        let leased = self.places[client.index()].leased.swap(true, Relaxed);
        assert!(!leased, "{client} was leased twice at once");
    }

    pub(crate) fn end(&self, client: ClientKey) {
        self.places[client.index()].leased.store(false, Relaxed);
    }
}
