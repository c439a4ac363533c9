//! The request: what changed in the mesh, merged.

use alloc::collections::BTreeSet;

use super::{ConfigKey, Kind, Namespace, Reason, Reasons, Service};
use crate::backlog::{ChangeSet, Everything, Merge};

/// What changed in the mesh since a client was last pushed to.
///
/// *Empty means nothing; everything is said explicitly.* The rules come from Istio Pilot's push
/// request, which many control planes have written again:
///
/// | part | merged |
/// | --- | --- |
/// | [everything](Self::is_everything) | or |
/// | [configs](Self::configs), and with them [namespaces](Self::namespaces) and [kinds](Self::kinds) | union |
/// | [services](Self::services) whose endpoints changed | union; dropped once the request is everything, which covers them |
/// | [reasons](Self::reasons) | counts added |
/// | [start](Self::start) | the earlier |
/// | [version](Self::version) | the newer |
///
/// # A config change doesn't drop the endpoint changes
///
/// Istio 1.4 dropped them from any *full* push, and got away with it because an endpoint change
/// also put its namespace into the request. Here a request is filtered for each client, and a
/// client may be concerned by an endpoint change and by none of the configs it was merged with:
/// dropping it there would lose it. So only *everything*, which concerns all clients, covers the
/// endpoints. A push of which [`is_incremental`](Self::is_incremental) is false recomputes the
/// client's endpoints anyway, and needs not look at them.
///
/// # Bounded
///
/// Configs and services are [`ChangeSet`]s. Past its cap, the configs become everything; the
/// services become "all endpoints", still incremental.
///
/// # Example
///
/// ```
/// use pushlane::backlog::Merge;
/// use pushlane::mesh::{ConfigKey, PushRequest, Reason, Service};
///
/// let mut pending = PushRequest::nothing()
///     .with_config(ConfigKey::new("virtual-service", "books", "split"))
///     .with_reason(Reason::CONFIG)
///     .with_start(1_000)
///     .with_version(7);
/// pending.merge(
///     &PushRequest::nothing()
///         .with_service(Service::new("shop", "cart"))
///         .with_reason(Reason::ENDPOINT)
///         .with_start(1_200)
///         .with_version(8),
/// );
/// assert_eq!((pending.start(), pending.version()), (Some(1_000), Some(8)));
/// assert!(!pending.is_incremental());
///
/// pending.merge(&PushRequest::everything());
/// assert!(pending.is_everything() && pending.services().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushRequest {
    /// Everything here is the whole request's "everything".
    configs: ChangeSet<ConfigKey>,
    /// Always `ChangeSet::nothing()`, default cap included, while `configs` is everything: one form
    /// only, or equal requests would compare unequal depending on the order of merging.
    services: ChangeSet<Service>,
    reasons: Reasons,
    start: Option<u64>,
    version: Option<u64>,
}

impl PushRequest {
    /// Nothing changed.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert!(PushRequest::nothing().is_nothing());
    /// ```
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Everything changed, for every client: what Istio calls *forced*.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert!(PushRequest::everything().is_everything());
    /// ```
    #[must_use]
    pub fn everything() -> Self {
        Self { configs: ChangeSet::everything(), ..Self::default() }
    }

    /// Adds a changed config.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, PushRequest};
    ///
    /// let request = PushRequest::nothing().with_config(ConfigKey::new("gateway", "edge", "public"));
    /// assert!(!request.is_nothing() && !request.is_incremental());
    /// ```
    #[must_use]
    pub fn with_config(mut self, config: ConfigKey) -> Self {
        self.configs.insert(config);
        self.cover_services();
        self
    }

    /// Adds a service whose endpoints changed.
    ///
    /// ```
    /// use pushlane::mesh::{PushRequest, Service};
    ///
    /// assert!(PushRequest::nothing().with_service(Service::new("shop", "cart")).is_incremental());
    /// ```
    #[must_use]
    pub fn with_service(mut self, service: Service) -> Self {
        self.services.insert(service);
        self.cover_services();
        self
    }

    /// Counts one event for `reason`.
    ///
    /// ```
    /// use pushlane::mesh::{PushRequest, Reason};
    ///
    /// let request = PushRequest::everything().with_reason(Reason::GLOBAL);
    /// assert_eq!(request.reasons().count(Reason::GLOBAL), 1);
    /// ```
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reasons.add(reason, 1);
        self
    }

    /// Sets when the event happened, in ticks of a clock of your choice (one clock and one unit for
    /// all requests: the earlier wins a merge). From it to the lease is the time spent queueing.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert_eq!(PushRequest::everything().with_start(42).start(), Some(42));
    /// ```
    #[must_use]
    pub fn with_start(mut self, ticks: u64) -> Self {
        self.start = Some(ticks);
        self
    }

    /// Sets the version of the configuration that contains the change: *your* number, growing with
    /// each snapshot. It is not the version that publishing to a queue returns.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert_eq!(PushRequest::everything().with_version(7).version(), Some(7));
    /// ```
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets how many configs, and how many services, the request may name before it escalates;
    /// [`ChangeSet::DEFAULT_CAP`] otherwise. The tighter cap wins a merge.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, PushRequest};
    ///
    /// let request = PushRequest::nothing().with_cap(1)
    ///     .with_config(ConfigKey::new("gateway", "edge", "public"))
    ///     .with_config(ConfigKey::new("gateway", "edge", "private"));
    /// assert!(request.is_everything());
    /// ```
    #[must_use]
    pub fn with_cap(mut self, keys: usize) -> Self {
        self.configs = self.configs.with_cap(keys);
        self.services = self.services.with_cap(keys);
        self.cover_services();
        self
    }

    /// Whether every client is to be brought up to date from scratch.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert!(!PushRequest::nothing().is_everything());
    /// ```
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.configs.is_everything()
    }

    /// Whether nothing changed. Reasons, start and version change nothing.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert!(PushRequest::nothing().with_version(7).is_nothing());
    /// ```
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.configs.is_empty() && self.services.is_empty()
    }

    /// Whether endpoints changed and nothing else, so that a push may be partial: the changed
    /// services only.
    ///
    /// ```
    /// use pushlane::mesh::{PushRequest, Service};
    ///
    /// assert!(PushRequest::nothing().with_service(Service::new("shop", "cart")).is_incremental());
    /// assert!(!PushRequest::everything().is_incremental());
    /// ```
    #[must_use]
    pub fn is_incremental(&self) -> bool {
        self.configs.is_empty() && !self.services.is_empty()
    }

    /// The configs that changed.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert!(PushRequest::everything().configs().is_everything());
    /// ```
    #[must_use]
    pub fn configs(&self) -> &ChangeSet<ConfigKey> {
        &self.configs
    }

    /// The services whose endpoints changed. Empty when the request is everything.
    ///
    /// ```
    /// use pushlane::mesh::{PushRequest, Service};
    ///
    /// let cart = Service::new("shop", "cart");
    /// assert!(PushRequest::nothing().with_service(cart.clone()).services().contains(&cart));
    /// ```
    #[must_use]
    pub fn services(&self) -> &ChangeSet<Service> {
        &self.services
    }

    /// The namespaces of the changed configs; `None` for everything.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, PushRequest};
    ///
    /// let request = PushRequest::nothing().with_config(ConfigKey::new("gateway", "edge", "public"));
    /// assert!(request.namespaces().unwrap().contains("edge"));
    /// ```
    #[must_use]
    pub fn namespaces(&self) -> Option<BTreeSet<Namespace>> {
        Some(self.configs.keys()?.map(|config| config.namespace.clone()).collect())
    }

    /// The kinds of the changed configs; `None` for everything.
    ///
    /// ```
    /// use pushlane::mesh::{ConfigKey, PushRequest};
    ///
    /// let request = PushRequest::nothing().with_config(ConfigKey::new("gateway", "edge", "public"));
    /// assert!(request.kinds().unwrap().contains("gateway"));
    /// ```
    #[must_use]
    pub fn kinds(&self) -> Option<BTreeSet<Kind>> {
        Some(self.configs.keys()?.map(|config| config.kind.clone()).collect())
    }

    /// Why, and how many events of each reason.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert_eq!(PushRequest::nothing().reasons().iter().len(), 0);
    /// ```
    #[must_use]
    pub fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    /// When the earliest event happened, in the caller's ticks; `None` if nobody said.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert_eq!(PushRequest::nothing().start(), None);
    /// ```
    #[must_use]
    pub fn start(&self) -> Option<u64> {
        self.start
    }

    /// The newest configuration version; `None` if nobody said.
    ///
    /// ```
    /// use pushlane::mesh::PushRequest;
    ///
    /// assert_eq!(PushRequest::nothing().version(), None);
    /// ```
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The same request with only some of its configs and services. Reasons, start and version
    /// stay: they belong to the whole, and can't be told apart by config.
    pub(super) fn narrowed(
        &self,
        configs: impl FnMut(&ConfigKey) -> bool,
        services: impl FnMut(&Service) -> bool,
    ) -> Self {
        Self {
            configs: self.configs.filtered(configs),
            services: self.services.filtered(services),
            reasons: self.reasons.clone(),
            start: self.start,
            version: self.version,
        }
    }

    /// The same request without its services.
    pub(super) fn without_services(mut self) -> Self {
        self.services = ChangeSet::nothing();
        self
    }

    fn cover_services(&mut self) {
        if self.configs.is_everything() {
            self.services = ChangeSet::nothing();
        }
    }
}

/// As in the table of [`PushRequest`].
impl Everything for PushRequest {
    fn everything() -> Self {
        PushRequest::everything()
    }
}

impl Merge for PushRequest {
    fn merge(&mut self, other: &Self) {
        self.configs.merge(&other.configs);
        if !self.configs.is_everything() {
            self.services.merge(&other.services);
        }
        self.cover_services();
        self.reasons.merge(&other.reasons);
        self.start = match (self.start, other.start) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        // `None` is less than any version.
        self.version = self.version.max(other.version);
    }
}
