//! An xDS server: the aggregated discovery service, state of the world and incremental, over the
//! queue.
//!
//! Resources go into [`Ads`], serialized; clients of any make are served from it. All queueing,
//! merging, pacing, scoping and convergence are the core's: a stream is one client of the queue for
//! each type that it subscribes to, and a push to it lasts until the client has acknowledged the
//! response. So there is at most one unacknowledged response a type, what changes meanwhile merges,
//! and [`Ads::wait_acked`] is the queue's convergence.
//!
//! | what | where |
//! | --- | --- |
//! | what is served | [`Resource`], in a [`Snapshot`] for each [`ViewId`] |
//! | the control plane's end | [`Ads`] |
//! | resources made on demand | [`Compute`] |
//! | what is known of each type | [`Kind`] |
//! | a server | [`Server`], with [`Tls`]; or [`AdsService`] in one of your own |
//! | what a client may cost | [`Limits`] |
//! | what can be seen | [`ClientStatus`], [`Metrics`], [`Laggard`], [`Event`] |

mod acked;
mod admission;
mod ads;
mod certificate;
mod change;
mod compute;
mod connection;
mod csds;
mod encoding;
mod event;
mod health;
mod heard;
mod identity;
mod inbound;
mod kinds;
mod limits;
mod mailbox;
mod metrics;
mod order;
mod outbound;
pub mod proto;
mod resource;
mod server;
mod service;
mod shared;
mod sotw_request;
mod state;
mod status;
mod store;
mod stream;
mod subscription;
mod tls;
mod topics;
#[cfg(feature = "xds-types")]
pub mod types;
mod view;
mod wire;

pub use acked::{Acked, Departure, Laggard, Nack, Published, Rejected};
pub use ads::{Ads, Builder, Draining};
pub use change::Change;
pub use compute::{Ask, Compute};
pub use event::Event;
pub use identity::Identity;
pub use kinds::Kind;
pub use limits::Limits;
pub use metrics::{Endings, Gone, Metrics, Refusals};
pub use resource::{Name, Resource, ResourceKey, TypeUrl};
pub use server::{Server, ServerBuilder};
pub use service::AdsService;
pub use status::{ClientStatus, NackStatus, StreamId, TypeStatus};
pub use store::Edit;
pub use subscription::Variant;
pub use tls::{Tls, TlsError};
pub use view::{Snapshot, ViewId};
