//! What a client has still to be sent, already merged.
//!
//! | backlog | a request is | recorded by | needs |
//! | --- | --- | --- | --- |
//! | [`Dirty`] | nothing: the client is merely out of date | no write at all | |
//! | [`Bits`] | a set of up to `32 * W` flags | `fetch_or` | |
//! | `Locked` | any type that merges | a merge behind a lock | `spin` |
//! | `Shared` | an `Arc`; equal merges are computed once | a pointer behind a lock | `spin`, `alloc` |
//! | `Journal` | of another backlog, with an "everything" | once for everyone; else in the other | `spin` |
//!
//! Requests of one client merge, and publishers race, so merging is commutative and associative:
//! see [`Merge`].

/// `Debug` of types whose contents say nothing: their name.
#[cfg(feature = "spin")]
macro_rules! debug_by_name {
    ($($name:ident<$($parameter:ident),+>),+) => {$(
        impl<$($parameter),+> core::fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
#[cfg(feature = "spin")]
use debug_by_name;

mod bits;
#[cfg(feature = "alloc")]
mod change_set;
mod dirty;
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
mod groups;
#[cfg(feature = "spin")]
mod journal;
#[cfg(feature = "spin")]
mod locked;
pub mod merge;
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
mod shared;

pub use bits::Bits;
#[cfg(feature = "alloc")]
pub use change_set::ChangeSet;
pub use dirty::Dirty;
#[cfg(feature = "spin")]
pub use journal::Journal;
#[cfg(feature = "spin")]
pub use locked::Locked;
pub use merge::{Everything, Merge};
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
pub use shared::Shared;

/// How requests are recorded for a client, and taken by its lease.
///
/// The clients of a bank have their [`Cells`](Backlog::Cells) in common: one cell for each of its
/// [`SLOTS`](crate::SLOTS). Any number of publishers record into a cell at once; only the client's
/// lease takes from it, and restores into it. So a publish that reaches a whole bank is recorded by
/// one call, and a backlog may do for the bank at once what the clients' cells have in common.
///
/// Not a stable interface: implement it to try an idea, and expect it to change.
///
/// # Contract
///
/// * A request recorded in a cell stays in it, merged with what was there, until `take` or `clear`
///   of that cell: there is no moment in which a racing `take` finds neither it nor what it was
///   merged with. (The tempting lock-free way, to take the pending request out, merge and put it
///   back, breaks this: a lease that comes in between finds nothing and completes, and convergence
///   turns true while a publisher still holds the request in its hands.)
/// * What is done to one cell leaves the bank's other cells as they are. A `take` that races with
///   the record of several cells may find some of them recorded and others not yet.
/// * Recording is, for each cell, a read-modify-write with Release that `take` acquires.
/// * If user code panics while it records or takes (a clone, a merge), each cell is as before or
///   has the request, as far as the user's merge leaves its value intact.
/// * `restore` runs no user code: a lease can always be given back.
/// * Merging is commutative and associative, so that the outcome doesn't depend on which came
///   first.
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

    /// Whether `begin_for_everyone` records for all clients at once. Then a publish to everyone is
    /// made on demand: workers mark the clients.
    const ON_DEMAND: bool = false;

    /// The cells of one bank, all empty.
    fn cells(&self) -> Self::Cells;

    /// Begins a publish to some clients.
    fn begin(&self, request: Self::Request) -> Self::Recording;

    /// Begins a publish to everyone.
    fn begin_for_everyone(&self, request: Self::Request) -> Self::Recording {
        self.begin(request)
    }

    /// Gives the request back, of a publish that turns out to be impossible.
    fn abandon(&self, recording: Self::Recording) -> Self::Request;

    /// Merges the request into the cells of a mask of slots: bit *i* stands for slot *i*, and none
    /// for a slot beyond [`SLOTS`](crate::SLOTS). May be called more than once for one client, if
    /// the client has been replaced meanwhile.
    fn record(&self, recording: &mut Self::Recording, cells: &Self::Cells, slots: usize);

    /// Takes all that was recorded for a slot's client. `None`: there was nothing.
    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<Self::Payload>;

    /// Puts back what a lease of the slot could not deliver.
    fn restore(&self, cells: &Self::Cells, slot: usize, payload: Self::Payload);

    /// Looks after what the bank's cells count, where a count could come round. Called for each
    /// bank in turn by numbered publishes, on targets with words of 32 bits; at any time, beside
    /// anything else.
    fn age(&self, cells: &Self::Cells) {
        let _ = cells;
    }

    /// Drops what is recorded for a slot: its client has left.
    fn clear(&self, cells: &Self::Cells, slot: usize);
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
