//! Random operations on a queue. Choices are numbers modulo what there is to choose from, so that a
//! sequence still makes sense when shrinking has removed half of it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use pushlane::storage::Static;
use pushlane::{Lane, Topic};

use super::kinds::{CHANGES, Change};

/// How many topics the queues have; [`topic`] names some beyond.
pub(crate) const TOPICS: u32 = 6;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// One that is registered, if there is one.
    Here(usize),
    /// One that ever was registered, or belongs to another queue.
    Ever(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum To {
    Everyone,
    One(Who),
    Topics { any: Vec<Topic>, and: Option<Vec<Topic>> },
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Register {
        clients: usize,
    },
    RegisterWith {
        lane: Lane,
        change: Change,
    },
    Unregister(Who),
    Subscribe(Who, Topic),
    Unsubscribe(Who, Topic),
    Publish {
        to: To,
        lane: Lane,
        change: Change,
    },
    PublishEach {
        to: Vec<Who>,
        lane: Lane,
        change: Change,
    },
    Lease {
        times: usize,
    },
    LeaseBatch {
        most: usize,
    },
    /// All its pushes at once, or one by one.
    EndBatch(usize, End),
    /// Lease, publish to the same client, complete, so often that others would starve.
    Hot {
        lane: Lane,
        change: Change,
        times: usize,
    },
    Complete(usize),
    Requeue(usize),
    Drop(usize),
    ReleasePermit(usize),
    TakePermit(usize),
    ReturnPermit(usize),
    SetLimit(usize),
    Barrier,
    Close,
}

/// How a batch ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Complete,
    Requeue,
    Drop,
    /// As leases that end one by one. The batch holds the last ones when it is dropped.
    Apart {
        taken: usize,
    },
}

pub(crate) fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Complete),
        1 => Just(End::Requeue),
        1 => Just(End::Drop),
        2 => (0..17usize).prop_map(|taken| End::Apart { taken }),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![9 => any::<usize>().prop_map(Who::Here), 1 => any::<usize>().prop_map(Who::Ever)]
}

fn topic() -> impl Strategy<Value = Topic> {
    prop_oneof![40 => 0..TOPICS, 1 => TOPICS..TOPICS + 2].prop_map(Topic)
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Normal), Just(Lane::Urgent)]
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![
        2 => Just(To::Everyone),
        3 => who().prop_map(To::One),
        4 => (vec(topic(), 0..7), option::of(vec(topic(), 0..4)))
            .prop_map(|(any, and)| To::Topics { any, and }),
        4 => topic().prop_map(|topic| To::Topics { any: vec![topic], and: None }),
    ]
}

/// Closing is rare: little can happen afterwards.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![150 => anything_but_close(), 1 => Just(Op::Close)]
}

fn anything_but_close() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1..20usize).prop_map(|clients| Op::Register { clients }),
        2 => (lane(), 0..CHANGES).prop_map(|(lane, change)| Op::RegisterWith { lane, change }),
        3 => who().prop_map(Op::Unregister),
        6 => (who(), topic()).prop_map(|(who, topic)| Op::Subscribe(who, topic)),
        4 => (who(), topic()).prop_map(|(who, topic)| Op::Unsubscribe(who, topic)),
        14 => (to(), lane(), 0..CHANGES)
            .prop_map(|(to, lane, change)| Op::Publish { to, lane, change }),
        4 => (vec(who(), 0..9), lane(), 0..CHANGES)
            .prop_map(|(to, lane, change)| Op::PublishEach { to, lane, change }),
        10 => (1..8usize).prop_map(|times| Op::Lease { times }),
        4 => (0..20usize).prop_map(|most| Op::LeaseBatch { most }),
        5 => (any::<usize>(), end()).prop_map(|(choice, end)| Op::EndBatch(choice, end)),
        2 => (lane(), 0..CHANGES, 1..8usize)
            .prop_map(|(lane, change, times)| Op::Hot { lane, change, times }),
        12 => any::<usize>().prop_map(Op::Complete),
        4 => any::<usize>().prop_map(Op::Requeue),
        2 => any::<usize>().prop_map(Op::Drop),
        2 => any::<usize>().prop_map(Op::ReleasePermit),
        1 => any::<usize>().prop_map(Op::TakePermit),
        1 => any::<usize>().prop_map(Op::ReturnPermit),
        1 => (0..8usize).prop_map(Op::SetLimit),
        2 => Just(Op::Barrier),
    ]
}

/// What a queue is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) clients: usize,
    pub(crate) permits: usize,
    pub(crate) urgent_ratio: usize,
}

/// Four banks, so that there are enough for the largest size on a 64-bit target.
pub(crate) type InPlace<R> = Static<4, { TOPICS as usize }, 1, R>;

pub(crate) fn sizes() -> impl Strategy<Value = Sizes> {
    let clients = prop_oneof![Just(1usize), Just(3), Just(17), Just(40)];
    (clients, 0..8usize, 0..5usize).prop_map(|(clients, permits, urgent_ratio)| Sizes {
        clients,
        permits,
        urgent_ratio,
    })
}
