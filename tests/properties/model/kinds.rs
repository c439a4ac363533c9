//! What the model publishes, as each backlog has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use pushlane::backlog::{Backlog, Bits, Dirty, Everything, Journal, Locked, Merge, Shared};

/// One change, below [`CHANGES`].
pub(crate) type Change = u8;

pub(crate) const CHANGES: Change = 64;

/// Which changes a client is owed, and how often each was published to it since it had it last.
pub(crate) type Owed = BTreeMap<Change, u32>;

pub(crate) fn merge(owed: &mut Owed, change: Change) {
    *owed.entry(change).or_default() += 1;
}

/// Changes with a count: unlike a union it shows when a publish was merged twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted(Owed);

impl Merge for Counted {
    fn merge(&mut self, other: &Self) {
        for (change, times) in &other.0 {
            *self.0.entry(*change).or_default() += times;
        }
    }
}

type Request<K> = <<K as Kind>::Backlog as Backlog>::Request;
type Payload<K> = <<K as Kind>::Backlog as Backlog>::Payload;

/// A backlog under test.
pub(crate) trait Kind {
    type Backlog: Backlog;

    /// How often a client may be leased through a lane while another one waits in it.
    const OVERTAKES: u32 = 2;

    fn request(change: Change) -> Request<Self>;

    /// Tells this request from others, also from equal ones where the type allows it.
    fn identity(request: &Request<Self>) -> (u64, usize);

    /// Whether the payload is the merge of exactly these.
    fn is_merge_of(payload: &Payload<Self>, owed: &Owed) -> bool;

    /// Tells later whether the request is still in memory somewhere.
    fn watch(_request: &Request<Self>) -> Option<Weak<Counted>> {
        None
    }
}

pub(crate) struct OfDirty;

impl Kind for OfDirty {
    type Backlog = Dirty;

    /// A fan-out on demand may wait for 16 claims, and the one that expands it.
    const OVERTAKES: u32 = 2 + 17;

    fn request(_: Change) {}

    fn identity((): &()) -> (u64, usize) {
        (0, 0)
    }

    fn is_merge_of((): &(), owed: &Owed) -> bool {
        !owed.is_empty()
    }
}

pub(crate) struct OfBits;

impl Kind for OfBits {
    type Backlog = Bits<2>;

    fn request(change: Change) -> [u32; 2] {
        let bit = 1u64 << change;
        [bit as u32, (bit >> 32) as u32]
    }

    fn identity([low, high]: &[u32; 2]) -> (u64, usize) {
        (u64::from(*low) | u64::from(*high) << 32, 0)
    }

    fn is_merge_of(payload: &[u32; 2], owed: &Owed) -> bool {
        let all = owed.keys().fold(0, |all, change| all | 1 << change);
        Self::identity(payload).0 == all
    }
}

pub(crate) struct OfLocked;

impl Kind for OfLocked {
    type Backlog = Locked<Counted>;

    fn request(change: Change) -> Counted {
        Counted(Owed::from([(change, 1)]))
    }

    fn identity(request: &Counted) -> (u64, usize) {
        (request.0.keys().fold(0, |all, change| all | 1 << change), 0)
    }

    fn is_merge_of(payload: &Counted, owed: &Owed) -> bool {
        payload.0 == *owed
    }
}

pub(crate) struct OfShared;

impl Kind for OfShared {
    type Backlog = Shared<Counted>;

    fn request(change: Change) -> Arc<Counted> {
        Arc::new(OfLocked::request(change))
    }

    fn identity(request: &Arc<Counted>) -> (u64, usize) {
        (OfLocked::identity(request).0, Arc::as_ptr(request).addr())
    }

    fn is_merge_of(payload: &Arc<Counted>, owed: &Owed) -> bool {
        payload.0 == *owed
    }

    fn watch(request: &Arc<Counted>) -> Option<Weak<Counted>> {
        Some(Arc::downgrade(request))
    }
}

/// What a client is told by a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Everything,
    Changes(Counted),
}

impl Merge for Told {
    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Told::Changes(mine), Told::Changes(theirs)) => mine.merge(theirs),
            _ => *self = Told::Everything,
        }
    }
}

impl Everything for Told {
    fn everything() -> Self {
        Told::Everything
    }
}

/// A journal of `N` requests to everyone; the others are recorded for each client.
pub(crate) struct OfJournal<const N: usize>;

/// More than a run publishes.
pub(crate) type OfLongJournal = OfJournal<128>;

/// A client falls off all the time.
pub(crate) type OfShortJournal = OfJournal<4>;

impl<const N: usize> Kind for OfJournal<N> {
    type Backlog = Journal<Locked<Told>, N>;

    const OVERTAKES: u32 = OfDirty::OVERTAKES;

    fn request(change: Change) -> Told {
        Told::Changes(OfLocked::request(change))
    }

    fn identity(request: &Told) -> (u64, usize) {
        match request {
            Told::Changes(changes) => OfLocked::identity(changes),
            Told::Everything => unreachable!("never published"),
        }
    }

    fn is_merge_of(payload: &Told, owed: &Owed) -> bool {
        match payload {
            Told::Everything => N < 128,
            Told::Changes(changes) => OfLocked::is_merge_of(changes, owed),
        }
    }
}
