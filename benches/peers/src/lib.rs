//! The push designs that pushlane is compared with.
//!
//! Written from the description of what they did, not from their sources, and as good as each
//! design allows: where the original was worse than its design (a copy too many, a lock taken
//! twice), these are not. They know nothing of pushlane, and nothing of each other.
//!
//! | module | the design |
//! | --- | --- |
//! | [`walk`] | every push walks all connections, with timeouts and retries, and drops what it could not hand over |
//! | [`limiter`] | the token bucket that `walk` puts before each full push |
//! | [`merge_queue`] | a mutex, a condition variable and a FIFO of clients with one merged request each |
//!
//! Those three are what `storm` compares pushlane with, and lie beside it. The others are here for
//! the benchmarks:
//!
//! | module | the design |
//! | --- | --- |
//! | [`merge_queue::ParkingLot`] | the merge queue on faster locks, with a fast hasher |
//! | [`sharded`] | a sharded map and a channel |
//! | [`work_queue`] | dirty and processing sets, keys only (client-go) |
//! | `scheduler` | kube-runtime's scheduler, keys only; feature `kube` |
//! | [`notify_each`] | one `tokio::sync::Notify` a client |
//! | [`state_words`] | one atomic word a client and a bounded queue |
//!
//! [`Peer`] is what they have in common.
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

#[path = "../../../examples/storm/peers/mod.rs"]
mod designs;
pub mod merge_queue;
pub mod notify_each;
mod peer;
#[cfg(feature = "kube")]
pub mod scheduler;
pub mod sharded;
pub mod state_words;
pub mod work_queue;

pub use designs::merge::Merge;
pub use designs::{limiter, locks, walk};
pub use peer::{Peer, Request};
