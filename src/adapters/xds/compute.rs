//! [`Compute`]: resources that are made when somebody needs them, once for a whole view.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::prelude::v1::*;
use std::sync::{Mutex, PoisonError};

use super::proto::Node;
use super::resource::{Name, Resource, ResourceKey, TypeUrl};
use super::store::{Edit, Store, View};
use super::subscription::{Interest, Moved};
use super::view::ViewId;
use crate::backlog::ChangeSet;

/// Makes resources on demand, so that they need not all be held: given to
/// [`Builder::compute`](super::Builder::compute).
///
/// What it returns is kept and served to every client of the view, until
/// [`Ads::invalidate`](super::Ads::invalidate) says that it may have changed. So clients of one
/// view cost one computation, and what nobody subscribes to costs none.
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
    /// The resources of `ask.type_url` that are named, or all of them. What is not among them
    /// doesn't exist.
    ///
    /// Called while a push is prepared: it holds a permit, and other clients of the view wait for
    /// it. So it should take no longer than computing takes, and wait for nothing.
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
    /// How many streams are subscribed to each name, and to all.
    users: HashMap<Name, usize>,
    wildcards: usize,
}

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
            self.all = true;
            self.stale.clear();
            self.names.clear();
            return;
        };
        self.stale.retain(|name| !names.contains(name));
        if !self.all {
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

impl Known {
    /// A stream's interest has moved. Returns what nobody is subscribed to any more; `there` is all
    /// there is.
    fn follow<'a>(&mut self, moved: &Moved, there: impl Iterator<Item = &'a Name>) -> Vec<Name> {
        for name in &moved.added {
            *self.users.entry(name.clone()).or_default() += 1;
        }
        for name in &moved.left {
            if let Some(count) = self.users.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.users.remove(name);
                }
            }
        }
        match moved.wildcard {
            Some(true) => self.wildcards += 1,
            Some(false) => self.wildcards -= 1,
            None => {}
        }
        if self.wildcards > 0 {
            return Vec::new();
        }
        let users = &self.users;
        let unused = |name: &&Name| !users.contains_key(*name);
        if core::mem::take(&mut self.all) {
            let stale = core::mem::take(&mut self.stale);
            self.names = users.keys().filter(|name| !stale.contains(*name)).cloned().collect();
            return there.filter(unused).cloned().collect();
        }
        let unused: Vec<_> = moved.left.iter().filter(unused).cloned().collect();
        for name in &unused {
            self.names.remove(name);
        }
        unused
    }
}

impl Cache {
    /// A stream's interest has moved: what nobody of the view is subscribed to any more is dropped.
    pub(super) fn follow(&self, (store, view): (&Store, &View), type_url: &TypeUrl, moved: &Moved) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache.entry(type_url.clone()).or_default();
        let snapshot = view.snapshot().unwrap_or_default();
        let unused = known.follow(moved, snapshot.of_type(type_url).resources.keys());
        drop(snapshot);
        if known.users.is_empty() && known.wildcards == 0 {
            cache.remove(type_url);
        }
        if !unused.is_empty() {
            let mut edit = Edit::default();
            unused.into_iter().for_each(|name| edit.remove(type_url.clone(), name));
            store.begin().apply(&view.id, edit, false);
        }
    }

    /// Nothing is known any more, and `then` is done before anything is learnt.
    pub(super) fn clear<T>(&self, then: impl FnOnce() -> T) -> T {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for known in cache.values_mut() {
            known.all = false;
            known.stale.clear();
            known.names.clear();
        }
        then()
    }

    /// Computes what a stream is interested in and has not been computed yet. Other streams that
    /// need the same wait here.
    pub(super) fn fill(
        &self,
        (store, view, compute): (&Store, &View, &dyn Compute),
        node: &Node,
        (type_url, interest): (&TypeUrl, &Interest),
        changes: &ChangeSet<ResourceKey>,
    ) {
        // Held while it is computed, so that it is computed once, and so that an invalidation comes
        // before or after.
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
        store.begin().apply(&view.id, edit, false);
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
    fn what_nobody_is_subscribed_to_is_dropped() {
        let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<Vec<_>>();
        let moved = |added: &[&str], left: &[&str], wildcard| Moved {
            added: list(added),
            left: list(left),
            wildcard,
        };
        let there = list(&["a", "b", "c"]);
        let mut known = Known::default();
        let follow = |known: &mut Known, moved: Moved| known.follow(&moved, there.iter());
        assert_eq!(follow(&mut known, moved(&["a", "b"], &[], None)), list(&[]));
        assert_eq!(follow(&mut known, moved(&["b"], &[], None)), list(&[]));
        known.learnt(Some(names(&["a", "b"])));
        assert_eq!(follow(&mut known, moved(&[], &["a", "b"], None)), list(&["a"]));
        assert_eq!(known.lacks(&interest(false, &["a", "b"])), Some(Some(names(&["a"]))));
        // Under a wildcard all stay, and without it what is named.
        assert_eq!(follow(&mut known, moved(&[], &[], Some(true))), list(&[]));
        known.learnt(None);
        assert_eq!(follow(&mut known, moved(&["c"], &["b"], None)), list(&[]));
        assert_eq!(follow(&mut known, moved(&[], &[], Some(false))), list(&["a", "b"]));
        assert_eq!(known.lacks(&interest(false, &["c"])), None);
        assert_eq!(follow(&mut known, moved(&[], &["c"], None)), list(&["c"]));
        assert!(known.users.is_empty() && known.names.is_empty());
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
