//! The ready-made request of a service-mesh control plane, and who needs it.
//!
//! ```text
//! what happened          service_change, instance_change, config_change, clear_cache
//!   │                    → Change { request, lane }
//!   ▼
//! whom it may concern    Directory::recipients → topics                  before the queue
//!   ▼
//! the queue              merges the requests of each client              PushRequest: Merge
//!   ▼
//! whom it does concern   ClientScope::needs_push, ClientScope::filtered  when the lease begins
//! ```
//!
//! The recipients are a superset of the clients that need the push: cheap to find, and never too
//! small. A recipient that does not need the push is spared at the end. Control planes that scope
//! only after queue and permit are spent pay for every client on every change.
//!
//! A client's scope changes in four steps, in this order:
//!
//! 1. [`ClientScope::update`];
//! 2. subscribe to what [`Directory::topics_of`] says now ([`Resubscription`]);
//! 3. publish [`PushRequest::everything`] to that client;
//! 4. when a push that began after that has completed, [`ClientScope::settle`], and step 2 again.
//!
//! *Empty means nothing, everything is said explicitly*: in requests and in scopes.
mod dependencies;
mod directory;
mod events;
mod keys;
mod names;
mod needs;
mod publish;
mod reason;
mod recipients;
mod request;
mod resubscription;
mod scope;
mod scope_set;

pub use dependencies::Dependencies;
pub use directory::{Directory, Isolation, TooFewTopics};
pub use events::{Change, clear_cache, config_change, instance_change, service_change};
pub use keys::{ConfigKey, Service};
pub use names::{Host, Kind, Name, Namespace};
pub use reason::{Reason, Reasons};
pub use recipients::Recipients;
pub use request::PushRequest;
pub use resubscription::{Resubscription, Step};
pub use scope::{ClientScope, Revision};
pub use scope_set::ScopeSet;
