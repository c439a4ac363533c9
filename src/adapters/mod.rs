//! What serves a queue: any executor, a pool of threads, or tokio.
//!
//! The core never blocks and knows no executor, no thread and no clock. Everything here is written over
//! its public face, and is thin: the queue is the only place where work waits.
//!
//! * [`AsyncQueue`] can be awaited, on any executor. The others serve such a queue.
//! * `blocking::Pool` calls a handler for each push, on one of a fixed number of threads.
//! * `tokio::Dispatcher` spawns a handler for each push, as a task.
//! * `xds` serves one with the clients of an xDS server.
//!
//! The pool and the dispatcher give the handler a [`Push`], and hold it to a deadline; see [`Options`].

#[cfg(all(feature = "blocking", not(loom)))]
pub mod blocking;
#[cfg(all(any(feature = "blocking", feature = "tokio"), not(loom)))]
mod eviction;
#[cfg(all(any(feature = "blocking", feature = "tokio"), not(loom)))]
mod grant;
#[cfg(all(any(feature = "blocking", feature = "tokio"), not(loom)))]
mod options;
#[cfg(all(any(feature = "blocking", feature = "tokio"), not(loom)))]
mod push;
#[cfg(all(feature = "tokio", not(loom)))]
pub mod tokio;
mod waiting;
mod wake;
#[cfg(all(feature = "xds", not(loom)))]
pub mod xds;

pub use waiting::{AsyncQueue, Waiters};
#[cfg(all(any(feature = "blocking", feature = "tokio"), not(loom)))]
pub use {
    eviction::EvictReason,
    options::Options,
    push::{Handle, Push},
};
