//! What a client has still to be sent, already merged.

#[cfg(feature = "alloc")]
mod change_set;
pub mod merge;

#[cfg(feature = "alloc")]
pub use change_set::ChangeSet;
pub use merge::Merge;
