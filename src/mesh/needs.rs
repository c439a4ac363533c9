//! Who needs a push, and what is left of the request for them.

use super::{ClientScope, PushRequest};

impl ClientScope {
    /// Whether the client is concerned by any part of `request`, by its current or previous scope.
    ///
    /// Targeting by topics finds a superset of the clients concerned; this is the exact answer, to
    /// be asked when the lease begins. If it is `false`, complete the lease without sending.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies, PushRequest, Service};
    ///
    /// let cart = Service::new("shop", "cart");
    /// let client = ClientScope::new(Dependencies { services: [cart.clone()].into(), ..Dependencies::nothing() });
    ///
    /// assert!(client.needs_push(&PushRequest::nothing().with_service(cart)));
    /// assert!(!client.needs_push(&PushRequest::nothing().with_service(Service::new("shop", "search"))));
    /// assert!(client.needs_push(&PushRequest::everything()));
    /// assert!(!client.needs_push(&PushRequest::nothing()));
    /// ```
    #[must_use]
    pub fn needs_push(&self, request: &PushRequest) -> bool {
        let configs = match request.configs().keys() {
            None => true,
            Some(mut configs) => configs.any(|config| self.depends_on(config)),
        };
        configs
            || match request.services().keys() {
                None => self.watches_any(),
                Some(mut services) => services.any(|service| self.watches(service)),
            }
    }

    /// What is left of `request` for this client: the configs it depends on, and the changed
    /// services it watches. `None` if nothing is left — exactly if it doesn't
    /// [need the push](Self::needs_push).
    ///
    /// Filtering a merged request equals merging filtered ones, so it is safe to merge first and
    /// filter once, when the lease begins. Exact are the configs and services, as long as no
    /// [`ChangeSet`](crate::backlog::ChangeSet) escalated in the merge (then it asks for more).
    /// Reasons, start and version are those of the whole request, since they can't be told apart by
    /// config: after a merge the counts may be higher, the start earlier and the version newer than
    /// this client's own events would make them.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies, PushRequest, Service};
    ///
    /// let (cart, search) = (Service::new("shop", "cart"), Service::new("shop", "search"));
    /// let client = ClientScope::new(Dependencies { services: [cart.clone()].into(), ..Dependencies::nothing() });
    ///
    /// let request = PushRequest::nothing().with_service(cart.clone()).with_service(search.clone());
    /// assert_eq!(client.filtered(&request), Some(PushRequest::nothing().with_service(cart)));
    /// assert_eq!(client.filtered(&PushRequest::nothing().with_service(search)), None);
    /// ```
    #[must_use]
    pub fn filtered(&self, request: &PushRequest) -> Option<PushRequest> {
        let narrowed =
            request.narrowed(|config| self.depends_on(config), |service| self.watches(service));
        // "All endpoints" can't be narrowed key by key: it is all that the client watches.
        let narrowed = if narrowed.services().is_everything() && !self.watches_any() {
            narrowed.without_services()
        } else {
            narrowed
        };
        (!narrowed.is_nothing()).then_some(narrowed)
    }

    fn watches_any(&self) -> bool {
        self.scopes().any(|scope| !scope.services.is_nothing())
    }
}
