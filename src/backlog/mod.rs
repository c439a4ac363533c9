//! What a client has still to be sent, already merged.
//!
//! | backlog | a request is | recorded by | needs |
//! | --- | --- | --- | --- |
//! | [`Dirty`] | nothing: the client is merely out of date | no write at all | |
//! | [`Bits`] | a set of up to `32 * W` flags | `fetch_or` | |
//! | `Locked` | any type that merges | a merge behind a lock | `spin` |
//! | `Shared` | an `Arc` of one; equal merges are computed once | a pointer behind a lock | `spin`, `alloc` |
//! | `Journal` | any type that merges and has an "everything" | once, in a ring for all clients | `spin` |
//!
//! Requests of one client merge, and publishers race, so merging is commutative and associative: see
//! [`Merge`].

mod bits;
#[cfg(feature = "alloc")]
mod change_set;
mod dirty;
#[cfg(feature = "spin")]
mod journal;
#[cfg(feature = "spin")]
mod locked;
pub mod merge;
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
mod shared;

pub use crate::audience::Audience;
pub use bits::Bits;
#[cfg(feature = "alloc")]
pub use change_set::ChangeSet;
pub use dirty::Dirty;
#[cfg(feature = "spin")]
pub use journal::{Folded, Journal};
#[cfg(feature = "spin")]
pub use locked::Locked;
pub use merge::{Everything, Merge};
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
pub use shared::Shared;

/// How requests are recorded for a client, and taken by its lease.
///
/// Each client has a [`Cell`](Backlog::Cell). Any number of publishers record into it at once; only the
/// client's lease takes from it.
///
/// # Contract
///
/// * A request recorded in a cell stays in it, merged with what was there, until `take` or `clear`: there
///   is no moment in which a racing `take` finds neither it nor what it was merged with. (The tempting
///   lock-free way, to take the pending request out, merge and put it back, breaks this: a lease that
///   comes in between finds nothing and completes, and convergence turns true while a publisher still
///   holds the request in its hands.)
/// * Recording is a read-modify-write with Release that `take` acquires.
/// * Merging is commutative and associative, so that the outcome doesn't depend on who came first.
pub trait Backlog {
    /// What is published.
    type Request;
    /// What a lease holds: requests, merged.
    type Payload;
    /// One client's backlog.
    type Cell;
    /// One publish while it records its request for one client after another.
    type Recording;

    /// Whether `record` writes to the cells. Where it does not, a fan-out need not visit them.
    const RECORDS: bool = true;

    /// An empty cell.
    fn cell(&self) -> Self::Cell;

    /// Begins a publish.
    fn begin(&self, request: Self::Request, audience: Audience) -> Self::Recording;

    /// Gives the request back, of a publish that turns out to be impossible.
    fn abandon(&self, recording: Self::Recording) -> Self::Request;

    /// Merges the request into a client's cell. May be called more than once for one client, if the
    /// client has been replaced meanwhile.
    fn record(&self, recording: &mut Self::Recording, cell: &Self::Cell);

    /// Takes all that was recorded for a client. `concerned` says of an audience whether the client
    /// belongs to it, for a backlog that records once for everybody.
    fn take(
        &self,
        cell: &Self::Cell,
        concerned: &dyn Fn(&Audience) -> bool,
    ) -> Taken<Self::Payload>;

    /// The client has all that the payload contains.
    fn deliver(&self, _cell: &Self::Cell, _payload: &Self::Payload) {}

    /// Merges back what a lease could not deliver.
    fn restore(&self, cell: &Self::Cell, payload: Self::Payload);

    /// Drops what is recorded: the client has left.
    fn clear(&self, cell: &Self::Cell);
}

/// What a lease found in its client's backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken<P> {
    /// What is to be pushed; `None` when there is nothing.
    pub payload: Option<P>,
    /// Whether that is all. If not, because a publisher is in the middle of recording, the client stays
    /// queued, and no version counts as completed by this lease.
    pub whole: bool,
}

impl<P> Taken<P> {
    /// All that was recorded.
    pub const fn whole(payload: Option<P>) -> Self {
        Taken { payload, whole: true }
    }
}

/// A backlog that can be made in a constant, for a queue in a `static`.
#[cfg(not(loom))]
pub trait ConstBacklog: Backlog {
    /// The backlog.
    const EMPTY: Self;
    /// An empty cell.
    const CELL: Self::Cell;
}
