//! [`Compute`]: resources that are made when somebody needs them, once for a whole view.

use std::collections::{BTreeMap, BTreeSet};
use std::prelude::v1::*;
use std::sync::{Mutex, PoisonError};

use super::proto::Node;
use super::resource::{Name, Resource, ResourceKey, TypeUrl};
use super::store::{Edit, Store, View};
use super::subscription::Interest;
use super::view::ViewId;
use crate::backlog::ChangeSet;

/// Makes resources on demand, for whoever doesn't want to hold them all: given to
/// [`Builder::compute`](super::Builder::compute).
///
/// What it returns is kept and served to every client of the view, until
/// [`Ads::invalidate`](super::Ads::invalidate) says that it may have changed. So clients of one view cost one
/// computation, and what nobody subscribes to costs none.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Ask, Resource, TypeUrl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder()
///     .compute(|ask: &Ask<'_>| match ask.names {
///         Some(names) => names
///             .iter()
///             .map(|name| Resource::hashed(ask.type_url.clone(), name.clone(), name.to_string()))
///             .collect(),
///         None => Vec::new(), // all there are
///     })
///     .start();
/// // What it is made from has changed:
/// ads.invalidate("default", [(TypeUrl::ENDPOINTS, "cart")])?;
/// # Ok(())
/// # }
/// ```
pub trait Compute: Send + Sync + 'static {
    /// The resources of `ask.type_url` that are named, or all of them. What is not among them doesn't exist.
    ///
    /// Called while a push is prepared: it holds a permit, and other clients of the view wait for it. So it should
    /// take no longer than computing takes, and wait for nothing.
    fn compute(&self, ask: &Ask<'_>) -> Vec<Resource>;
}

impl<F: Fn(&Ask<'_>) -> Vec<Resource> + Send + Sync + 'static> Compute for F {
    fn compute(&self, ask: &Ask<'_>) -> Vec<Resource> {
        self(ask)
    }
}

/// What is to be computed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// For which view.
    pub view: &'a ViewId,
    /// Of which type.
    pub type_url: &'a TypeUrl,
    /// Which of them; `None`: all.
    pub names: Option<&'a BTreeSet<Name>>,
    /// What has been invalidated since the client's last push, merged.
    pub changes: &'a ChangeSet<ResourceKey>,
    /// On whose account it is computed. It is served to the whole view.
    pub node: &'a Node,
    /// All that this client is subscribed to of the type.
    pub subscribed: &'a BTreeSet<Name>,
    /// Whether it is subscribed to the type as a whole.
    pub wildcard: bool,
}

/// What of a view has been computed, by type.
#[derive(Default)]
pub(super) struct Cache(Mutex<BTreeMap<TypeUrl, Known>>);

/// What of a type has been computed and not been invalidated since.
#[derive(Default)]
struct Known {
    /// All of it, but for `stale`.
    all: bool,
    stale: BTreeSet<Name>,
    /// These, if not all. Whether they exist or not.
    names: BTreeSet<Name>,
}

/// Clients choose names: what they make up is not remembered for ever.
const REMEMBERED: usize = 100_000;

impl Known {
    /// What is lacking of what somebody is interested in: `Some(None)` is all of it.
    fn lacks(&self, interest: &Interest) -> Option<Option<BTreeSet<Name>>> {
        if interest.wildcard {
            return match (self.all, self.stale.is_empty()) {
                (false, _) => Some(None),
                (true, true) => None,
                (true, false) => Some(Some(self.stale.clone())),
            };
        }
        let known =
            |name: &&Name| !self.stale.contains(*name) && (self.all || self.names.contains(*name));
        let lacking: BTreeSet<_> =
            interest.names.iter().filter(|name| !known(name)).cloned().collect();
        (!lacking.is_empty()).then_some(Some(lacking))
    }

    fn learnt(&mut self, names: Option<BTreeSet<Name>>) {
        let Some(names) = names else {
            *self = Known { all: true, ..Known::default() };
            return;
        };
        self.stale.retain(|name| !names.contains(name));
        if !self.all {
            if self.names.len() > REMEMBERED {
                self.names.clear();
            }
            self.names.extend(names);
        }
    }

    fn invalidate(&mut self, name: &Name) {
        self.names.remove(name);
        if self.all {
            self.stale.insert(name.clone());
        }
    }
}

impl Cache {
    /// Computes what somebody is interested in and nobody has computed yet. Whoever else needs the same waits here.
    pub(super) fn fill(
        &self,
        (store, view, compute): (&Store, &View, &dyn Compute),
        node: &Node,
        (type_url, interest): (&TypeUrl, &Interest),
        changes: &ChangeSet<ResourceKey>,
    ) {
        // Held while it is computed, so that it is computed once, and so that an invalidation comes before or after.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache.entry(type_url.clone()).or_default();
        let Some(names) = known.lacks(interest) else { return };
        let ask = Ask {
            view: &view.id,
            type_url,
            names: names.as_ref(),
            changes,
            node,
            subscribed: &interest.names,
            wildcard: interest.wildcard,
        };
        let mut edit = Edit::default();
        match &names {
            Some(names) => {
                names.iter().for_each(|name| edit.remove(type_url.clone(), name.clone()))
            }
            None => {
                let before = view.snapshot().unwrap_or_default();
                let there = before.of_type(type_url).resources.keys();
                there.for_each(|name| edit.remove(type_url.clone(), name.clone()));
            }
        }
        compute.compute(&ask).into_iter().for_each(|resource| edit.put(resource));
        // Whom it concerns has been told by the invalidation, or is the one that asks.
        store.apply(&view.id, edit, false, |_| ());
        known.learnt(names);
    }

    pub(super) fn invalidate(&self, type_url: &TypeUrl, name: &Name) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get_mut(type_url) {
            known.invalidate(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::from(*name)).collect()
    }

    fn interest(wildcard: bool, of: &[&str]) -> Interest {
        Interest { wildcard, names: names(of) }
    }

    #[test]
    fn what_is_known_is_not_computed_again() {
        let mut known = Known::default();
        assert_eq!(known.lacks(&interest(false, &["a", "b"])), Some(Some(names(&["a", "b"]))));
        known.learnt(Some(names(&["a", "b"])));
        assert_eq!(known.lacks(&interest(false, &["a", "b"])), None);
        assert_eq!(known.lacks(&interest(false, &["b", "c"])), Some(Some(names(&["c"]))));
        known.invalidate(&"a".into());
        assert_eq!(known.lacks(&interest(false, &["a", "b"])), Some(Some(names(&["a"]))));
        assert_eq!(known.lacks(&interest(true, &[])), Some(None));
        known.learnt(None);
        assert_eq!(known.lacks(&interest(true, &["x"])), None);
        known.invalidate(&"a".into());
        assert_eq!(known.lacks(&interest(true, &[])), Some(Some(names(&["a"]))));
        assert_eq!(known.lacks(&interest(false, &["a", "b"])), Some(Some(names(&["a"]))));
        known.learnt(Some(names(&["a"])));
        assert_eq!(known.lacks(&interest(true, &[])), None);
    }
}
