//! The resources of every view: snapshots that are swapped, and what exactly each change changed.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ::tokio::sync::watch;

use super::compute::Cache;
use super::resource::{Name, Resource, TypeUrl};
use super::view::{Snapshot, ViewId};

/// Changes to one view that take effect together: see [`Ads::update`](super::Ads::update).
#[derive(Debug, Default)]
pub struct Edit {
    steps: BTreeMap<TypeUrl, BTreeMap<Name, Option<Resource>>>,
}

impl Edit {
    /// Adds the resource, or replaces the one of the same type and name. Of two, the later counts.
    pub fn put(&mut self, resource: Resource) {
        let of_type = self.steps.entry(resource.type_url().clone()).or_default();
        of_type.insert(resource.shared_name().clone(), Some(resource));
    }

    /// Removes a resource, if there is one.
    pub fn remove(&mut self, type_url: impl Into<TypeUrl>, name: impl Into<Name>) {
        self.steps.entry(type_url.into()).or_default().insert(name.into(), None);
    }
}

/// Which names of which type.
pub(super) type Changed = BTreeMap<TypeUrl, BTreeSet<Name>>;

/// What an edit came to.
pub(super) struct Applied {
    pub(super) revision: u64,
    pub(super) changed: Changed,
    /// The view had never been set: everything in it is new, also types that have no resource.
    pub(super) first: bool,
}

/// One view's place, whether it has been set yet or not.
pub(super) struct View {
    pub(super) id: ViewId,
    current: RwLock<Option<Arc<Snapshot>>>,
    /// Whoever holds back what is to be sent is told when there is something else to look at.
    pub(super) changed: watch::Sender<()>,
    /// Of resources that are computed on demand.
    pub(super) cache: Cache,
}

impl View {
    fn new(id: &ViewId) -> Self {
        let (current, cache) = (RwLock::default(), Cache::default());
        View { id: id.clone(), current, changed: watch::Sender::new(()), cache }
    }

    /// What it holds now. `None`: it has never been set, and nothing is served from it, not even emptiness.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn apply(&self, edit: Edit, replace: bool, revision: u64) -> Applied {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let first = current.is_none();
        let mut edit = edit;
        if replace && let Some(snapshot) = &*current {
            for (type_url, set) in &snapshot.types {
                let steps = edit.steps.entry(type_url.clone()).or_default();
                for name in set.resources.keys() {
                    steps.entry(name.clone()).or_default();
                }
            }
        }
        let mut changed = Changed::new();
        // Copied only if a push is being prepared from it at this moment.
        let snapshot = Arc::make_mut(current.get_or_insert_default());
        for (type_url, mut steps) in edit.steps {
            let there = snapshot.of_type(&type_url);
            steps.retain(|name, resource| match (there.resources.get(name), resource) {
                (Some(old), Some(new)) => !old.same(new),
                (None, None) => false,
                _ => true,
            });
            if steps.is_empty() {
                continue;
            }
            changed.insert(type_url.clone(), steps.keys().cloned().collect());
            let set = Arc::make_mut(snapshot.types.entry(type_url).or_default());
            set.changed_at = revision;
            for (name, resource) in steps {
                match resource {
                    Some(resource) => set.resources.insert(name, resource),
                    None => set.resources.remove(&name),
                };
            }
        }
        if first || !changed.is_empty() {
            snapshot.revision = revision;
        }
        let revision = snapshot.revision;
        drop(current);
        self.changed.send_replace(());
        Applied { revision, changed, first }
    }
}

/// All views.
#[derive(Default)]
pub(super) struct Store {
    views: RwLock<HashMap<ViewId, Arc<View>>>,
    /// The newest revision. Held while a change is made *and* published, so that who is told of a revision has been
    /// told of all earlier ones.
    newest: Mutex<u64>,
}

impl Store {
    /// The view's place.
    pub(super) fn view(&self, id: &ViewId) -> Arc<View> {
        if let Some(view) = self.find(id) {
            return view;
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(views.entry(id.clone()).or_insert_with(|| Arc::new(View::new(id))))
    }

    pub(super) fn find(&self, id: &ViewId) -> Option<Arc<View>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Forgets a view that was never set and that nobody else looks at: what clients say who they are costs no
    /// memory once they have gone.
    pub(super) fn release(&self, view: Arc<View>) {
        if view.snapshot().is_some() {
            return;
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let id = view.id.clone();
        drop(view);
        // Behind the lock nobody else can get at it: one count is the table's.
        if views
            .get(&id)
            .is_some_and(|view| Arc::strong_count(view) == 1 && view.snapshot().is_none())
        {
            views.remove(&id);
        }
    }

    /// Applies an edit, and has `publish` tell of it before the next one begins.
    pub(super) fn apply<T>(
        &self,
        id: &ViewId,
        edit: Edit,
        replace: bool,
        publish: impl FnOnce(Applied) -> T,
    ) -> T {
        let mut newest = self.newest();
        let applied = self.view(id).apply(edit, replace, *newest + 1);
        *newest = applied.revision.max(*newest);
        publish(applied)
    }

    /// Gives a view another revision without changing it: what it is computed from has changed.
    pub(super) fn touch<T>(
        &self,
        id: &ViewId,
        changed: Changed,
        publish: impl FnOnce(Applied) -> T,
    ) -> T {
        let mut newest = self.newest();
        *newest += 1;
        let (revision, view) = (*newest, self.view(id));
        let mut current = view.current.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(current.get_or_insert_default()).revision = revision;
        drop(current);
        view.changed.send_replace(());
        publish(Applied { revision, changed, first: false })
    }

    fn newest(&self) -> MutexGuard<'_, u64> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ids(&self) -> Vec<ViewId> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.keys().cloned().collect()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(resources: &[(&str, &str)]) -> Edit {
        let mut edit = Edit::default();
        for (name, body) in resources {
            edit.put(Resource::hashed(TypeUrl::ENDPOINTS, *name, String::from(*body)));
        }
        edit
    }

    fn apply(store: &Store, edit: Edit, replace: bool) -> (u64, Vec<String>, bool) {
        store.apply(&ViewId::from("v"), edit, replace, |applied| {
            let names = applied.changed.values().flatten().map(|name| name.to_string());
            (applied.revision, names.collect(), applied.first)
        })
    }

    #[test]
    fn a_change_is_exactly_what_differs() {
        let store = Store::default();
        assert_eq!(
            apply(&store, put(&[("a", "1"), ("b", "1")]), true),
            (1, ["a", "b"].map(String::from).to_vec(), true)
        );
        assert_eq!(apply(&store, put(&[("a", "1"), ("b", "1")]), true), (1, Vec::new(), false));
        assert_eq!(
            apply(&store, put(&[("a", "2")]), false),
            (2, ["a"].map(String::from).to_vec(), false)
        );
        assert_eq!(
            apply(&store, put(&[("c", "1"), ("a", "2")]), true),
            (3, ["b", "c"].map(String::from).to_vec(), false)
        );
        let mut edit = Edit::default();
        edit.remove(TypeUrl::ENDPOINTS, "nothing");
        edit.remove(TypeUrl::ENDPOINTS, "c");
        assert_eq!(apply(&store, edit, false), (4, ["c"].map(String::from).to_vec(), false));
    }

    #[test]
    fn a_snapshot_that_is_in_use_does_not_change() {
        let store = Store::default();
        apply(&store, put(&[("a", "1")]), true);
        let before = store.view(&"v".into()).snapshot().unwrap();
        apply(&store, put(&[("b", "1")]), true);
        assert!(before.get(TypeUrl::ENDPOINTS, "a").is_some() && before.len() == 1);
        let after = store.view(&"v".into()).snapshot().unwrap();
        assert!(after.get(TypeUrl::ENDPOINTS, "a").is_none() && after.len() == 1);
    }

    #[test]
    fn a_view_that_was_only_asked_for_is_forgotten() {
        let store = Store::default();
        let (one, two) = (store.view(&"x".into()), store.view(&"x".into()));
        store.release(one);
        assert_eq!(store.ids().len(), 1, "somebody still looks at it");
        store.release(two);
        assert_eq!(store.ids().len(), 0);
        store.apply(&"x".into(), Edit::default(), true, |_| ());
        store.release(store.view(&"x".into()));
        assert_eq!(store.ids().len(), 1, "it has been set, if to nothing");
    }
}
