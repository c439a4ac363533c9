#![doc = include_str!("../README.md")]
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
mod apart;
mod bank;
mod banks;
mod sync;
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
pub mod inside;
mod progress;
mod version;
// and all of it put together.
mod batch;
mod config;
mod error;
mod lease;
mod queue;
mod signal;
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
pub use client_map::{ClientMap, ConnectError, ConnectRefusal};
pub use config::Config;
pub use error::{PublishError, Refusal, RegisterError, Stale, SubscribeError};
pub use lease::{Lease, Permit};
pub use limiter::MAX_PERMITS;
#[cfg(all(feature = "spin", feature = "alloc", target_has_atomic = "ptr"))]
pub use queue::Queue;
pub use queue::{PushQueue, Serve, StaticQueue, Target};
pub use registry::ClientKey;
pub use signal::{Signal, Silent};
pub use slot::{Lane, SLOTS};
#[cfg(all(feature = "std", not(loom)))]
pub use subscriptions::Subscriptions;
pub use topics::{Scope, Topic};
pub use version::Version;
