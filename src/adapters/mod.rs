//! Serving a queue: on any executor, on a pool of threads, or on tokio.
//!
//! The core has no executor, no thread and no clock. Adapters bring them, and hold no work: the
//! queue is the only place where work waits.
//!
//! * [`AsyncQueue`] can be awaited, on any executor.
//! * [`Dispatcher`] runs an async handler for each push, on tokio or with any [`Timer`].
//! * `blocking::Pool` runs handlers that block, on a fixed number of threads.
//! * `xds` is an xDS server.
//!
//! A [`Builder`] configures dispatcher and pool. The handler gets a [`Push`] with a deadline; one
//! that fails is retried with [`Backoff`]. [`Debouncer`] holds events back in front of `publish`,
//! and [`Builder::pace`] spaces the pushes to a client.
//!
//! # Naming the types
//!
//! An alias keeps signatures short. [`QueueHandle<R>`](QueueHandle) is the usual queue behind an
//! `Arc`; for another one, name it once:
//!
//! ```
//! # #[cfg(feature = "spin")] {
//! use std::sync::Arc;
//! use pushlane::adapters::{self, AsyncQueue, Clients, Dispatcher, Outcome, QueueHandle};
//! use pushlane::backlog::{Bits, ChangeSet};
//!
//! type Change = ChangeSet<String>;
//! struct Connection;
//!
//! type Queue = QueueHandle<Change>; // Arc<AsyncQueue<Journal<Shared<Change>>>>
//! type Fleet = Clients<Queue, Connection>; // with a value for each client
//! type Push = adapters::Push<Fleet>; // what a handler gets: `push.client()` finds the connection
//! type Flags = Arc<AsyncQueue<Bits<1>>>; // another backlog
//!
//! async fn handle(push: Push) -> Outcome {
//!     let _connection: Option<Arc<Connection>> = push.client();
//!     let _changes: &Change = push.request();
//!     Ok(())
//! }
//!
//! struct ControlPlane {
//!     clients: Fleet,
//!     dispatcher: Option<Dispatcher<Fleet>>,
//!     flags: Flags,
//! }
//! # let _ = (handle, |it: ControlPlane| drop((it.clients, it.dispatcher, it.flags)));
//! # }
//! ```
//!
//! # Metrics
//!
//! With feature `metrics`, [`Builder::metrics`] reports to the `metrics` facade. Each metric has
//! the label `queue`, the name that the builder was given. No label depends on a client, so the
//! number of series is fixed.
//!
//! | metric | kind | more labels | |
//! | --- | --- | --- | --- |
//! | `pushlane_queue_seconds` | histogram | `lane` | from the oldest publish in a request to the beginning of its push; needs [`Builder::measure`] |
//! | `pushlane_push_seconds` | histogram | `lane` | from the beginning of a push to its end |
//! | `pushlane_publishes_per_push` | histogram | `lane` | the merge ratio: how many publishes a completed push contained; needs [`Builder::measure`] |
//! | `pushlane_pushes_total` | counter | `lane`, `outcome` | pushes that were `completed`, `failed`, `requeued` or `evicted` |
//! | `pushlane_panics_total` | counter | | panics of handlers and other user code |
//! | `pushlane_evictions_total` | counter | `reason` | clients evicted for a `deadline` or for `failures` |
//! | `pushlane_convergence_seconds` | histogram | | while the queue is busy, once a second at most: how long until all that was published by then was everywhere |
//! | `pushlane_clients` | gauge | | clients registered |
//! | `pushlane_waiting` | gauge | `lane` | clients that wait for a push |
//! | `pushlane_in_progress` | gauge | | pushes in progress |
//! | `pushlane_backing_off` | gauge | | clients that wait to be tried again, or for their pace |
//! | `pushlane_permits`, `pushlane_permits_held` | gauge | | permits there are, and those that are held |
//! | `pushlane_oldest_waiting_seconds` | gauge | | for how long the client that has waited longest has, to the second |
//! | `pushlane_longest_push_seconds` | gauge | | how long ago the longest push in progress began |
//!
//! Gauges are set once a second.
//!
//! # Tracing
//!
//! With feature `tracing` each push has a span `push` (level info; fields `client`, `lane`,
//! `attempt`, and `outcome` when it ends), in which its handler runs. Events: a client that is
//! evicted (warn), a panic (error), a push that failed (debug).
//!
//! # What these two cost
//!
//! A push through a dispatcher, from the lease to the end of a handler that does nothing, takes
//! 6,400 instructions. Without the features there is no code for either. Compiled in and not used,
//! they cost the queue's operations nothing, and a push 310 instructions. In use, metrics cost 630
//! more (with `metrics-exporter-prometheus`), and a span 6,300 (with `tracing_subscriber::fmt`,
//! which formats its fields). `cargo run --release -p pushlane-instructions --features
//! metrics,tracing` counts them.
//!
//! # Panics
//!
//! A panic of user code stops no adapter, be it in a handler, a callback, a waker, or the merge,
//! clone or drop of a request. It is caught, and reported with [`on_panic`](Builder::on_panic) if
//! the client is known.

#[cfg(not(loom))]
mod backoff;
#[cfg(not(loom))]
mod begin;
#[cfg(all(feature = "blocking", not(loom)))]
pub mod blocking;
#[cfg(not(loom))]
mod book;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod clients;
#[cfg(not(loom))]
mod debouncer;
#[cfg(not(loom))]
mod delivery;
#[cfg(not(loom))]
mod dispatcher;
#[cfg(not(loom))]
mod measured;
#[cfg(not(loom))]
mod observe;
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
    debouncer::Debouncer,
    delivery::{Delivered, Laggards},
    dispatcher::Dispatcher,
    measured::{Measure, Measured},
    outcome::{EvictReason, Outcome, PushError, Stats, Unserved},
    push::{Detached, Handle, Push},
    timer::Timer,
};
