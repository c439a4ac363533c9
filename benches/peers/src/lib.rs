//! The push designs that pushlane is compared with.
//!
//! Written from the description of what they did, not from their sources, and as good as each design allows:
//! where the original was worse than its design (a copy too many, a lock taken twice), these are not.
//! They know nothing of pushlane, and nothing of each other.
//!
//! | module | the design |
//! | --- | --- |
//! | [`walk`] | every push walks all connections, with timeouts and retries, and drops what it could not hand over |
//! | [`limiter`] | the token bucket that `walk` puts before each full push |
//! | [`merge_queue`] | a mutex, a condition variable and a FIFO of clients with one merged request each |
//!
//! With feature `all`, those that need a dependency or exist for the benchmarks alone:
//!
//! | module | the design |
//! | --- | --- |
//! | `merge_queue` on `locks::ParkingLot` | the same on faster locks, with a fast hasher |
//! | `sharded` | a sharded map and a channel |
//! | `work_queue` | dirty and processing sets, keys only (client-go) |
//! | `scheduler` | kube-runtime's scheduler, keys only |
//! | `notify_each` | one `tokio::sync::Notify` a client |
//! | `state_words` | one atomic word a client and a bounded queue |
//!
//! [`Peer`] is what they have in common.
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

pub mod limiter;
pub mod locks;
mod merge;
pub mod merge_queue;
mod peer;
pub mod walk;

#[cfg(feature = "all")]
pub mod notify_each;
#[cfg(feature = "all")]
pub mod scheduler;
#[cfg(feature = "all")]
pub mod sharded;
#[cfg(feature = "all")]
pub mod state_words;
#[cfg(feature = "all")]
pub mod work_queue;

pub use merge::Merge;
pub use peer::Peer;
#[cfg(feature = "all")]
pub use peer::Request;
