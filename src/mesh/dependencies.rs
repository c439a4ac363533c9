//! What a client depends on at one moment.

use super::{ConfigKey, Kind, Namespace, ScopeSet, Service};
use crate::backlog::Merge;

/// What a client depends on at one moment.
///
/// A config concerns the client if it is of one of its kinds **and** lies in one of its namespaces
/// or is [about](ConfigKey::about) one of its services. An endpoint change concerns it if the
/// service is one of its services.
///
/// # Stronger and weaker isolation
///
/// | | namespaces | services |
/// | --- | --- | --- |
/// | a namespace is a tenant | the client's own, and shared ones | those it watches endpoints of |
/// | everybody sees everything, scope by service | none (or a shared root) | those it may call |
/// | no scoping | `All` | `All` |
///
/// The kinds say what a *type* of client cares about: a sidecar that lists its kinds and leaves
/// `gateway` out isn't pushed to when gateways change.
///
/// ```
/// use pushlane::mesh::{ConfigKey, Dependencies, Kind};
///
/// let sidecar = Dependencies {
///     namespaces: ["books".into()].into(),
///     kinds: [Kind::service(), "virtual-service".into()].into(),
///     ..Dependencies::nothing()
/// };
/// assert!(sidecar.depends_on(&ConfigKey::new("virtual-service", "books", "split")));
/// assert!(!sidecar.depends_on(&ConfigKey::new("virtual-service", "shop", "split")));
/// assert!(!sidecar.depends_on(&ConfigKey::new("gateway", "books", "public")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The namespaces whose configs concern it.
    pub namespaces: ScopeSet<Namespace>,
    /// The kinds of config its type of client cares about.
    pub kinds: ScopeSet<Kind>,
    /// The services it watches or may call.
    pub services: ScopeSet<Service>,
}

impl Dependencies {
    /// Depends on nothing: only *everything* reaches it.
    ///
    /// ```
    /// use pushlane::mesh::{Dependencies, Service};
    ///
    /// assert!(!Dependencies::nothing().watches(&Service::new("shop", "cart")));
    /// ```
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            namespaces: ScopeSet::nothing(),
            kinds: ScopeSet::nothing(),
            services: ScopeSet::nothing(),
        }
    }

    /// Depends on all there is: no scoping.
    ///
    /// ```
    /// use pushlane::mesh::{Dependencies, Service};
    ///
    /// assert!(Dependencies::all().watches(&Service::new("shop", "cart")));
    /// ```
    #[must_use]
    pub const fn all() -> Self {
        Self { namespaces: ScopeSet::All, kinds: ScopeSet::All, services: ScopeSet::All }
    }

    /// Whether a change of `config` concerns it.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, Dependencies};
    ///
    /// assert!(Dependencies::all().depends_on(&ConfigKey::new("gateway", "edge", "public")));
    /// ```
    #[must_use]
    pub fn depends_on(&self, config: &ConfigKey) -> bool {
        self.kinds.contains(&config.kind)
            && (self.namespaces.contains(&config.namespace)
                || config.service.as_ref().is_some_and(|service| self.watches(service)))
    }

    /// Whether a change of the endpoints of `service` concerns it.
    ///
    /// ```
    /// use pushlane::mesh::{Dependencies, Service};
    ///
    /// let cart = Service::new("shop", "cart");
    /// let client = Dependencies { services: [cart.clone()].into(), ..Dependencies::nothing() };
    /// assert!(client.watches(&cart) && !client.watches(&Service::new("shop", "search")));
    /// ```
    #[must_use]
    pub fn watches(&self, service: &Service) -> bool {
        self.services.contains(service)
    }
}

/// Depends on what either depends on, and on what the two do together (a kind of one in a
/// namespace of the other).
impl Merge for Dependencies {
    fn merge(&mut self, other: &Self) {
        self.namespaces.merge(&other.namespaces);
        self.kinds.merge(&other.kinds);
        self.services.merge(&other.services);
    }
}
