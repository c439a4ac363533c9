//! What a client depends on, now and before its last change.

use super::{ConfigKey, Dependencies, Service};
use crate::backlog::Merge;

/// What a client depends on, now and — until a push with the new scope has completed — before.
///
/// A client still holds what it was sent under its old scope. If something there changes, or is
/// deleted, before the client has been pushed its new scope, it must hear of it: otherwise it keeps
/// what it should have dropped.
///
/// A change of scope is itself a reason to push: after [`update`](Self::update), publish
/// [`PushRequest::everything`](super::PushRequest::everything) to this one client.
///
/// ```
/// use pushlane::mesh::{ClientScope, ConfigKey, Dependencies, ScopeSet};
///
/// let books = Dependencies { namespaces: ["books".into()].into(), kinds: ScopeSet::All, ..Dependencies::nothing() };
/// let shop = Dependencies { namespaces: ["shop".into()].into(), ..books.clone() };
/// let old = ConfigKey::new("virtual-service", "books", "split");
///
/// let mut scope = ClientScope::new(books);
/// scope.update(shop);
/// let leased_at = scope.revision(); // read when the lease begins
/// assert!(scope.depends_on(&old));
///
/// assert!(scope.settle(leased_at)); // when it has completed
/// assert!(!scope.depends_on(&old));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientScope {
    current: Dependencies,
    previous: Option<Dependencies>,
    revision: u64,
}

/// Which scope a push was computed from: see [`ClientScope::settle`].
///
/// ```
/// use pushlane::mesh::{ClientScope, Dependencies};
///
/// let mut scope = ClientScope::new(Dependencies::nothing());
/// let before = scope.revision();
/// scope.update(Dependencies::all());
/// assert_ne!(scope.revision(), before);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(u64);

impl ClientScope {
    /// The scope of a client that has had no other.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies};
    ///
    /// assert!(ClientScope::new(Dependencies::all()).previous().is_none());
    /// ```
    #[must_use]
    pub const fn new(current: Dependencies) -> Self {
        Self { current, previous: None, revision: 0 }
    }

    /// What it depends on now.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies};
    ///
    /// assert_eq!(ClientScope::new(Dependencies::all()).current(), &Dependencies::all());
    /// ```
    #[must_use]
    pub const fn current(&self) -> &Dependencies {
        &self.current
    }

    /// What it depended on before and may still hold; `None` once settled.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies};
    ///
    /// let mut scope = ClientScope::new(Dependencies::all());
    /// scope.update(Dependencies::nothing());
    /// assert_eq!(scope.previous(), Some(&Dependencies::all()));
    /// ```
    #[must_use]
    pub const fn previous(&self) -> Option<&Dependencies> {
        self.previous.as_ref()
    }

    /// Changes what the client depends on; what it depended on becomes the previous scope.
    ///
    /// Scopes that change faster than the client is pushed to add up: it may hold something of
    /// each. Istio keeps one previous scope, and forgets the one before it.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies, Service};
    ///
    /// let watching = |host: &str| Dependencies {
    ///     services: [Service::new("shop", host)].into(),
    ///     ..Dependencies::nothing()
    /// };
    /// let mut scope = ClientScope::new(watching("a"));
    /// scope.update(watching("b"));
    /// scope.update(watching("c"));
    /// assert!(scope.watches(&Service::new("shop", "a")));
    /// ```
    pub fn update(&mut self, new: Dependencies) {
        if new == self.current {
            return;
        }
        let left = core::mem::replace(&mut self.current, new);
        match &mut self.previous {
            Some(previous) => previous.merge(&left),
            None => self.previous = Some(left),
        }
        self.revision = self.revision.wrapping_add(1);
    }

    /// Which scope this is, to be read when a lease begins and handed to [`settle`](Self::settle).
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies};
    ///
    /// let scope = ClientScope::new(Dependencies::all());
    /// assert_eq!(scope.revision(), scope.clone().revision());
    /// ```
    #[must_use]
    pub const fn revision(&self) -> Revision {
        Revision(self.revision)
    }

    /// Forgets the previous scope, after a push has completed that was computed from the scope of
    /// revision `pushed`. Returns whether it did.
    ///
    /// It doesn't if the scope changed while that push was under way: the push knew nothing of the
    /// newest scope, so the client still holds what the next push must take from it.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies};
    ///
    /// let mut scope = ClientScope::new(Dependencies::all());
    /// let leased_at = scope.revision();
    /// scope.update(Dependencies::nothing()); // during the push
    /// assert!(!scope.settle(leased_at));
    /// assert!(scope.previous().is_some());
    /// ```
    pub fn settle(&mut self, pushed: Revision) -> bool {
        let up_to_date = pushed == self.revision();
        if up_to_date {
            self.previous = None;
        }
        up_to_date
    }

    /// Whether a change of `config` concerns the client, by its current or its previous scope.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, ConfigKey, Dependencies};
    ///
    /// let scope = ClientScope::new(Dependencies::all());
    /// assert!(scope.depends_on(&ConfigKey::new("gateway", "edge", "public")));
    /// ```
    #[must_use]
    pub fn depends_on(&self, config: &ConfigKey) -> bool {
        self.scopes().any(|scope| scope.depends_on(config))
    }

    /// Whether a change of the endpoints of `service` concerns the client, by either scope.
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies, Service};
    ///
    /// let scope = ClientScope::new(Dependencies::nothing());
    /// assert!(!scope.watches(&Service::new("shop", "cart")));
    /// ```
    #[must_use]
    pub fn watches(&self, service: &Service) -> bool {
        self.scopes().any(|scope| scope.watches(service))
    }

    /// The current scope and, unless settled, the previous one.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &Dependencies> {
        core::iter::once(&self.current).chain(&self.previous)
    }
}
