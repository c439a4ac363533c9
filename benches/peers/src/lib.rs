//! The push designs that pushlane is compared with.
//!
//! Written from the description of what they did, not from their sources, and as good as each design allows:
//! where the original was worse than its design (a copy too many, a lock taken twice), these are not.
//! They know nothing of pushlane, and nothing of each other.
//!
//! | module | the design |
//! | --- | --- |
//! | [`walk`] | every push walks all connections, with timeouts and retries, and drops what it could not hand over |
//! | [`merge_queue`] | a mutex, a condition variable and a FIFO of clients with one merged request each |
//! | [`limiter`] | the token bucket that `walk` puts before each full push |
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

pub mod limiter;
pub mod merge_queue;
pub mod walk;
