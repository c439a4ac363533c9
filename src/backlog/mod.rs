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
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
mod groups;
#[cfg(feature = "spin")]
mod journal;
#[cfg(feature = "spin")]
mod label;
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
/// The clients of a bank have their [`Cells`](Backlog::Cells) in common: one cell for each of its
/// [`SLOTS`](crate::SLOTS). Any number of publishers record into a cell at once; only the client's lease
/// takes from it, and restores into it. So a publish that reaches a whole bank is recorded by one call, and
/// a backlog may do for the bank at once what the clients' cells have in common.
///
/// # Contract
///
/// * A request recorded in a cell stays in it, merged with what was there, until `take` or `clear` of that
///   cell: there is no moment in which a racing `take` finds neither it nor what it was merged with. (The
///   tempting lock-free way, to take the pending request out, merge and put it back, breaks this: a lease
///   that comes in between finds nothing and completes, and convergence turns true while a publisher still
///   holds the request in its hands.)
/// * What is done to one cell leaves the bank's other cells as they are. Cells are recorded into one by
///   one, for all that others can tell: a `take` that races with the record of several may find some of
///   them recorded and others not yet.
/// * Recording is, for each cell, a read-modify-write with Release that `take` acquires.
/// * If user code panics while it records (a clone, a merge), each cell is as before or has the request.
/// * Merging is commutative and associative, so that the outcome doesn't depend on who came first.
pub trait Backlog {
    /// What is published.
    type Request;
    /// What a lease holds: requests, merged.
    type Payload;
    /// The backlogs of one bank's clients, a cell each.
    type Cells;
    /// One publish while it records its request for one bank after another.
    type Recording;

    /// Whether `record` writes to the cells. Where it does not, a fan-out need not visit them.
    const RECORDS: bool = true;

    /// The cells of one bank, all empty.
    fn cells(&self) -> Self::Cells;

    /// Begins a publish.
    fn begin(&self, request: Self::Request, audience: Audience) -> Self::Recording;

    /// Gives the request back, of a publish that turns out to be impossible.
    fn abandon(&self, recording: Self::Recording) -> Self::Request;

    /// Merges the request into the cells of a mask of slots: bit *i* stands for slot *i*, and none for a
    /// slot beyond [`SLOTS`](crate::SLOTS). May be called more than once for one client, if the client has
    /// been replaced meanwhile.
    fn record(&self, recording: &mut Self::Recording, cells: &Self::Cells, slots: usize);

    /// Takes all that was recorded for a slot's client. `concerned` says of an audience whether the client
    /// belongs to it, for a backlog that records once for everybody.
    fn take(
        &self,
        cells: &Self::Cells,
        slot: usize,
        concerned: &dyn Fn(&Audience) -> bool,
    ) -> Taken<Self::Payload>;

    /// The slot's client has all that the payload contains.
    fn deliver(&self, _cells: &Self::Cells, _slot: usize, _payload: &Self::Payload) {}

    /// Merges back what a lease of the slot could not deliver.
    fn restore(&self, cells: &Self::Cells, slot: usize, payload: Self::Payload);

    /// Drops what is recorded for a slot: its client has left.
    fn clear(&self, cells: &Self::Cells, slot: usize);
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
    /// The cells of one bank, all empty.
    const CELLS: Self::Cells;
}

#[cfg(all(test, feature = "spin", feature = "alloc", target_has_atomic = "ptr", not(loom)))]
mod tests;
