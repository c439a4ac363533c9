//! What can change: a service's endpoints, and a config.

use super::{Host, Kind, Name, Namespace};

/// A service: a host in a namespace.
///
/// ```
/// use pushlane::mesh::Service;
///
/// let reviews = Service::new("books", "reviews");
/// assert_eq!(reviews.namespace.as_str(), "books");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// Where it lives.
    pub namespace: Namespace,
    /// The name it is addressed by.
    pub host: Host,
}

impl Service {
    /// The service `host` in `namespace`.
    ///
    /// ```
    /// use pushlane::mesh::{Host, Service};
    ///
    /// assert_eq!(Service::new("books", "reviews").host, Host::from("reviews"));
    /// ```
    #[must_use]
    pub fn new(namespace: impl Into<Namespace>, host: impl Into<Host>) -> Self {
        Self { namespace: namespace.into(), host: host.into() }
    }
}

/// A config that changed, was added or was deleted.
///
/// Whom it concerns is decided by its kind, its namespace and the service it is
/// [about](Self::about). The name only tells it from its neighbours: who knows no name may give
/// `""` for "something of this kind in this namespace".
///
/// ```
/// use pushlane::mesh::{ConfigKey, Service};
///
/// let route = ConfigKey::new("virtual-service", "books", "split").about(Service::new("books", "reviews"));
/// assert_eq!(route.service, Some(Service::new("books", "reviews")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigKey {
    /// What sort of config.
    pub kind: Kind,
    /// Where it lives.
    pub namespace: Namespace,
    /// Which one of its kind and namespace.
    pub name: Name,
    /// The service it configures, if it is about one.
    pub service: Option<Service>,
}

impl ConfigKey {
    /// The config `name` of `kind` in `namespace`, about no service in particular.
    ///
    /// ```
    /// use pushlane::mesh::ConfigKey;
    ///
    /// assert_eq!(ConfigKey::new("gateway", "edge", "public").service, None);
    /// ```
    #[must_use]
    pub fn new(
        kind: impl Into<Kind>,
        namespace: impl Into<Namespace>,
        name: impl Into<Name>,
    ) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into(), service: None }
    }

    /// The same config, about `service`: it then also concerns the clients that depend on that
    /// service from outside the config's namespace.
    ///
    /// This is what makes scoping by service possible where namespaces isolate nothing. A config
    /// about several services is several keys.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, Dependencies, Service};
    ///
    /// let reviews = Service::new("books", "reviews");
    /// let client = Dependencies {
    ///     kinds: ["retry-policy".into()].into(),
    ///     services: [reviews.clone()].into(),
    ///     ..Dependencies::nothing()
    /// };
    /// let policy = ConfigKey::new("retry-policy", "operators", "reviews-3x");
    /// assert!(!client.depends_on(&policy));
    /// assert!(client.depends_on(&policy.about(reviews)));
    /// ```
    #[must_use]
    pub fn about(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }
}
