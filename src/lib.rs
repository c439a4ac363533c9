//! The push path of a control plane: which client is pushed to, when, and with what.
//!
//! Configuration changes arrive faster than connected clients can be served. For each client
//! pushlane keeps *one* merged request and at most *one* push in progress, and it bounds how many
//! pushes are prepared at once. The core is lock-free and `no_std`; it has no clock, executor or
//! socket.
//!
#![cfg_attr(
    all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"),
    doc = r#"
```
use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Queue, Target};

// Room for 1,000 clients; at most 32 pushes are prepared at once.
let queue = Queue::<ChangeSet<&str>>::new(Config::new(1_000).permits(32));
let client = queue.register()?;

// A publisher, on any thread.
let version = queue.publish(Target::Everyone, Lane::Normal, ChangeSet::from(["route/a"]))?;

// A worker, on any thread: each lease is one push.
while let Some(lease) = queue.try_lease() {
    assert_eq!(lease.key(), client);
    // ... send it what `lease.request()` says ...
    lease.complete();
}
assert!(queue.is_converged(version));
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]
//! # The main types
//!
//! * [`PushQueue`] is the queue. `Queue<R>` is the usual one, [`StaticQueue`] lives in a `static`
//!   ([`static_queue!`] declares one).
//! * [`ClientKey`] is one registered client. [`Target`] says whom a publish is for: one client,
//!   [`Topic`]s through a [`Scope`], or everyone. [`Lane`] says how urgent it is.
//! * [`Lease`] is one push in progress. It ends exactly once; dropped, it goes back into the queue.
//! * [`Version`] is the handle that a publish returns, to ask whether it has
//!   [converged](PushQueue::is_converged).
//! * [`Config`] has the sizes and limits; [`Signal`] wakes workers.
//!
//! # The modules
//!
//! * [`backlog`]: what a publish carries, and how requests for one client merge.
//! * [`ready`] and [`storage`]: the order of service, and where a queue lives.
//! * [`debounce`]: quiet periods before a publish, and a pace for the pushes to each client.
//! * `adapters` (feature `async`): futures on any executor, threads, tokio, and an xDS server.
//! * `mesh` (feature `mesh`): the ready-made push request of a service mesh.
//!
//! `docs/design.md` in the repository says why things are as they are.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

// In reading order: how a client's state changes,
mod slot;
// how it changes atomically,
mod bank;
mod banks;
mod sync;
mod unwind;
// who can be served,
mod limiter;
pub mod ready;
// with what,
pub mod backlog;
// who is there and what it depends on,
mod recipients;
mod registry;
mod topics;
// who has got what,
mod convergence;
mod fan_out;
#[cfg(loom)]
#[doc(hidden)]
pub mod loom_internals;
mod progress;
#[cfg(feature = "alloc")]
mod tracker;
mod version;
mod versions;
// and all of it put together.
mod batch;
mod config;
mod error;
mod lease;
mod queue;
mod signal;
mod static_queue;
pub mod storage;
// When events become a publish.
pub mod debounce;
// Tables that every control plane needs.
#[cfg(all(
    feature = "alloc",
    any(feature = "std", feature = "spin"),
    target_has_atomic = "ptr",
    not(loom)
))]
mod client_map;
#[cfg(all(feature = "std", not(loom)))]
mod subscriptions;
// The ready-made request of a service mesh, over all of it.
#[cfg(feature = "mesh")]
pub mod mesh;
#[cfg(all(feature = "mesh", not(target_has_atomic = "ptr")))]
compile_error!("feature `mesh` needs `Arc`, which a target without compare-exchange doesn't have");

// What serves it.
#[cfg(feature = "async")]
pub mod adapters;

pub use batch::Batch;
#[cfg(all(
    feature = "alloc",
    any(feature = "std", feature = "spin"),
    target_has_atomic = "ptr",
    not(loom)
))]
pub use client_map::{ClientMap, ConnectError, ConnectErrorKind};
pub use config::Config;
pub use error::{PublishError, PublishErrorKind, RegisterError, Stale, SubscribeError};
pub use lease::{Lease, Permit};
pub use limiter::MAX_PERMITS;
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
pub use queue::Queue;
pub use queue::{PushQueue, Serve, StaticQueue, Stats, Target};
pub use registry::ClientKey;
pub use signal::{NoSignal, Signal};
pub use slot::{Lane, SLOTS};
#[cfg(all(feature = "std", not(loom)))]
pub use subscriptions::Subscriptions;
pub use topics::{Scope, Topic};
#[cfg(feature = "alloc")]
pub use tracker::Tracker;
pub use version::Version;
#[cfg(feature = "alloc")]
pub use versions::VersionSet;
pub use versions::Versions;

/// The README's first program is a test, too. The others need a runtime: `verify/package.sh` runs
/// them.
#[cfg(all(doctest, feature = "spin"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are all of the guide's.
#[cfg(all(doctest, feature = "spin", feature = "async"))]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
