//! The queues under test: every backlog, swept and in the order of arrival.

use std::sync::Arc;

use pushlane::backlog::{Backlog, Bits, Dirty, Everything, Journal, Locked, Merge, Shared};
use pushlane::ready::{Fifo, Sweep};

use crate::round::{self, Round};
use crate::tally::Tally;
use crate::verdict::Verdict;

/// A backlog under test: how a publish says which stream has changed.
pub(crate) trait Kind: Backlog + Default + Sync {
    fn request(stream: usize) -> Self::Request;
    /// The streams, as bits, of which the payload says that they have changed.
    fn streams(payload: &Self::Payload) -> u32;
}

impl Kind for Dirty {
    fn request(_: usize) {}

    fn streams((): &()) -> u32 {
        u32::MAX
    }
}

impl Kind for Bits<1> {
    fn request(stream: usize) -> [u32; 1] {
        [1 << stream]
    }

    fn streams([streams]: &[u32; 1]) -> u32 {
        *streams
    }
}

/// Streams as bits, for the backlogs that merge what they are given.
#[derive(Clone, Debug)]
pub(crate) struct Streams(u32);

impl Merge for Streams {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Everything for Streams {
    fn everything() -> Self {
        Streams(u32::MAX)
    }
}

impl Kind for Shared<Streams> {
    fn request(stream: usize) -> Arc<Streams> {
        Arc::new(Streams(1 << stream))
    }

    fn streams(payload: &Arc<Streams>) -> u32 {
        payload.0
    }
}

impl Kind for Locked<Streams> {
    fn request(stream: usize) -> Streams {
        Streams(1 << stream)
    }

    fn streams(payload: &Streams) -> u32 {
        payload.0
    }
}

/// So short that clients fall off it all the time.
pub(crate) type Ring = Journal<Shared<Streams>, 64>;

impl Kind for Ring {
    fn request(stream: usize) -> Arc<Streams> {
        Arc::new(Streams(1 << stream))
    }

    fn streams(payload: &Arc<Streams>) -> u32 {
        payload.0
    }
}

type Run = fn(&Round, &Tally, &Verdict);

pub(crate) const QUEUES: [(&str, Run); 10] = [
    ("Dirty, Sweep", round::run::<Dirty, Sweep>),
    ("Dirty, Fifo", round::run::<Dirty, Fifo>),
    ("Bits, Sweep", round::run::<Bits<1>, Sweep>),
    ("Bits, Fifo", round::run::<Bits<1>, Fifo>),
    ("Locked, Sweep", round::run::<Locked<Streams>, Sweep>),
    ("Locked, Fifo", round::run::<Locked<Streams>, Fifo>),
    ("Shared, Sweep", round::run::<Shared<Streams>, Sweep>),
    ("Shared, Fifo", round::run::<Shared<Streams>, Fifo>),
    ("Journal, Sweep", round::run::<Ring, Sweep>),
    ("Journal, Fifo", round::run::<Ring, Fifo>),
];
