//! What happened, made into a request and the lane it belongs in.

use super::{ConfigKey, Kind, PushRequest, Reason, Service};
use crate::Lane;

/// What one event asks for.
///
/// Whom it is for follows from the request:
/// [`Directory::recipients`](super::Directory::recipients). Events may be merged before they are
/// published (debounced), those of one lane with each other.
///
/// ```
/// use pushlane::Lane;
/// use pushlane::mesh::{clear_cache, Change};
///
/// let Change { request, lane } = clear_cache(1_000);
/// assert!(request.is_everything());
/// assert_eq!(lane, Lane::Normal);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change does nothing until its request is published"]
pub struct Change {
    /// What changed.
    pub request: PushRequest,
    /// How soon it must go out.
    pub lane: Lane,
}

/// A service came, went, or changed its definition. `start` is when, in the caller's ticks.
///
/// It reaches the clients that depend on [`Kind::service`] in the service's namespace, or on the
/// service. Normal lane: services change together with the configs that route to them.
///
/// ```
/// use pushlane::mesh::{service_change, Reason, Service};
///
/// let change = service_change(Service::new("shop", "cart"), 1_000);
/// assert!(change.request.kinds().unwrap().contains("service"));
/// assert_eq!(change.request.reasons().count(Reason::SERVICE), 1);
/// ```
pub fn service_change(service: Service, start: u64) -> Change {
    let key = ConfigKey::new(Kind::service(), service.namespace.clone(), service.host.clone());
    normal(PushRequest::nothing().with_config(key.about(service)), Reason::SERVICE, start)
}

/// The instances (endpoints) of a service changed. `start` is when, in the caller's ticks.
///
/// Urgent lane: until a client hears of it, it sends traffic to instances that are gone.
///
/// ```
/// use pushlane::Lane;
/// use pushlane::mesh::{instance_change, Service};
///
/// let change = instance_change(Service::new("shop", "cart"), 1_000);
/// assert_eq!(change.lane, Lane::Urgent);
/// assert!(change.request.is_incremental());
/// ```
pub fn instance_change(service: Service, start: u64) -> Change {
    let request = PushRequest::nothing().with_service(service);
    Change { request: request.with_reason(Reason::ENDPOINT).with_start(start), lane: Lane::Urgent }
}

/// A config was added, changed or deleted. `start` is when, in the caller's ticks.
///
/// ```
/// use pushlane::mesh::{config_change, ConfigKey};
///
/// let change = config_change(ConfigKey::new("virtual-service", "books", "split"), 1_000);
/// assert!(change.request.namespaces().unwrap().contains("books"));
/// assert_eq!(change.request.start(), Some(1_000));
/// ```
pub fn config_change(config: ConfigKey, start: u64) -> Change {
    normal(PushRequest::nothing().with_config(config), Reason::CONFIG, start)
}

/// What was computed is no longer to be trusted: everything, for everybody. `start` is when, in the
/// caller's ticks.
///
/// ```
/// use pushlane::mesh::clear_cache;
///
/// assert!(clear_cache(1_000).request.is_everything());
/// ```
pub fn clear_cache(start: u64) -> Change {
    normal(PushRequest::everything(), Reason::GLOBAL, start)
}

fn normal(request: PushRequest, reason: Reason, start: u64) -> Change {
    Change { request: request.with_reason(reason).with_start(start), lane: Lane::Normal }
}
