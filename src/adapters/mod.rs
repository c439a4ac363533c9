//! What serves a queue: any executor, a pool of threads, or tokio.
//!
//! The core never blocks and knows no executor, no thread and no clock. Everything here is written
//! over its public face, and is thin: the queue is the only place where work waits.
//!
//! * [`AsyncQueue`] can be awaited, on any executor. The others serve such a queue.
//! * [`Dispatcher`] calls a handler for each push: a future, on tokio or on any executor that has a
//!   [`Timer`].
//! * `blocking::Pool` does so on a fixed number of threads, with handlers that block.
//! * `xds` serves a queue with the clients of an xDS server.
//!
//! The dispatcher and the pool are made by a [`Builder`], give the handler a [`Push`], hold it to a
//! deadline, and try again with [`Backoff`] what has failed.
//!
//! What user code does stops none of them: a panic in a handler, a callback, a waker, the merge, the
//! clone or the drop of a request is caught, and reported with
//! [`on_panic`](Builder::on_panic) where the client is known.

#[cfg(not(loom))]
mod backoff;
#[cfg(not(loom))]
mod begin;
#[cfg(all(feature = "blocking", not(loom)))]
mod block_on;
#[cfg(all(feature = "blocking", not(loom)))]
pub mod blocking;
#[cfg(not(loom))]
mod book;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod clients;
#[cfg(not(loom))]
mod delivery;
#[cfg(not(loom))]
mod dispatcher;
#[cfg(not(loom))]
mod outcome;
#[cfg(not(loom))]
mod push;
#[cfg(not(loom))]
mod pushes;
#[cfg(not(loom))]
mod timer;
#[cfg(all(feature = "tokio", not(loom)))]
mod tokio;
mod waiting;
#[cfg(not(loom))]
mod waits;
mod wake;
#[cfg(all(feature = "xds", not(loom)))]
pub mod xds;

#[cfg(all(feature = "embassy", not(loom)))]
pub use timer::EmbassyTimer;
#[cfg(all(feature = "smol", not(loom)))]
pub use timer::SmolTimer;
#[cfg(all(feature = "tokio", not(loom)))]
pub use timer::TokioTimer;
#[cfg(all(feature = "spin", not(loom)))]
pub use waiting::QueueHandle;
pub use waiting::{AsyncQueue, Waiters};
#[cfg(not(loom))]
pub use {
    backoff::Backoff,
    builder::Builder,
    clients::Clients,
    delivery::{Delivered, Laggards},
    dispatcher::Dispatcher,
    outcome::{EvictReason, Outcome, PushError, Stats, Unserved},
    push::{Detached, Handle, Push},
    timer::Timer,
};
