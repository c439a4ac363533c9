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
    at: Option<u64>,
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

    /// The view has this revision from now on, if the edit changes anything and the view's revision
    /// is lower; otherwise the next one that is free. For revisions that other servers share: see
    /// [`Builder::shared_revisions`](super::Builder::shared_revisions).
    ///
    /// ```
    /// use pushlane::adapters::xds::{Ads, Resource, TypeUrl};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ads = Ads::builder().start();
    /// let published = ads.update("default", |edit| {
    ///     edit.at(1_207);
    ///     edit.put(Resource::new(TypeUrl::ENDPOINTS, "cart", "1207", b"\x0a\x04cart".to_vec()));
    /// })?;
    /// assert_eq!(published.revision(), 1_207);
    /// # Ok(())
    /// # }
    /// ```
    pub fn at(&mut self, revision: u64) {
        self.at = Some(revision);
    }
}

/// Which names of which type.
pub(super) type Changed = BTreeMap<TypeUrl, BTreeSet<Name>>;

/// What an edit came to.
pub(super) struct Applied {
    pub(super) revision: u64,
    pub(super) changed: Changed,
    /// By which other names clients may know what has changed: type, alias and name.
    pub(super) aliases: Vec<(TypeUrl, Name, Name)>,
    /// The view had never been set: everything in it is new, also types that have no resource.
    pub(super) first: bool,
}

/// One view's place, whether it has been set yet or not.
pub(super) struct View {
    pub(super) id: ViewId,
    current: RwLock<Option<Arc<Snapshot>>>,
    /// Streams that hold something back are told when there is something else to look at.
    pub(super) changed: watch::Sender<()>,
    /// Of resources that are computed on demand.
    pub(super) cache: Cache,
}

impl View {
    fn new(id: &ViewId) -> Self {
        let (current, cache) = (RwLock::default(), Cache::default());
        View { id: id.clone(), current, changed: watch::Sender::new(()), cache }
    }

    /// What it holds now. `None`: it has never been set, and nothing is served from it, not even
    /// emptiness.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves nothing from it until it is set again. True: there was something.
    fn clear(&self) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let there = current.take().is_some();
        drop(current);
        self.changed.send_replace(());
        there
    }

    /// `next` is a revision that no view has yet.
    fn apply(&self, edit: Edit, replace: bool, next: u64) -> Applied {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let first = current.is_none();
        let before = current.as_ref().map_or(0, |snapshot| snapshot.revision);
        let revision = edit.at.filter(|at| *at > before).unwrap_or(next);
        let mut edit = edit;
        if replace && let Some(snapshot) = &*current {
            for (type_url, set) in &snapshot.types {
                let steps = edit.steps.entry(type_url.clone()).or_default();
                for name in set.resources.keys() {
                    steps.entry(name.clone()).or_default();
                }
            }
        }
        let (mut changed, mut aliases) = (Changed::new(), Vec::new());
        // If a push is being prepared from it at this moment, the path to what changes is copied.
        let snapshot = Arc::make_mut(current.get_or_insert_default());
        if first {
            snapshot.none.changed_at = revision;
        }
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
            let set_url = type_url.clone();
            let set = Arc::make_mut(snapshot.types.entry(type_url).or_default());
            set.changed_at = revision;
            for (name, resource) in steps {
                for alias in set.put(name.clone(), resource) {
                    aliases.push((set_url.clone(), alias, name.clone()));
                }
            }
        }
        if first || !changed.is_empty() {
            snapshot.revision = revision;
        }
        let revision = snapshot.revision;
        drop(current);
        self.changed.send_replace(());
        Applied { revision, changed, aliases, first }
    }
}

/// All views.
#[derive(Default)]
pub(super) struct Store {
    views: RwLock<HashMap<ViewId, Arc<View>>>,
    /// The newest revision. Held while a change is made *and* published, so that a stream that is
    /// told of a revision has been told of all earlier ones.
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

    /// Forgets a view that nobody else looks at, if it was never set, or is `computed` on demand:
    /// what clients say who they are costs no memory once they have gone.
    pub(super) fn release(&self, view: Arc<View>, computed: bool) {
        if view.snapshot().is_some() && !computed {
            return;
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let id = view.id.clone();
        drop(view);
        // Behind the lock nobody else can get at it: one count is the table's.
        if views.get(&id).is_some_and(|view| {
            Arc::strong_count(view) == 1 && (computed || view.snapshot().is_none())
        }) {
            views.remove(&id);
        }
    }

    /// Waits until it is the caller's turn to change something, and to tell of it.
    pub(super) fn begin(&self) -> Turn<'_> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { store: self, newest }
    }

    pub(super) fn ids(&self) -> Vec<ViewId> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.keys().cloned().collect()
    }
}

/// The right to change views. What is changed is to be published before it is dropped.
pub(super) struct Turn<'a> {
    store: &'a Store,
    newest: MutexGuard<'a, u64>,
}

impl Turn<'_> {
    /// Applies an edit.
    pub(super) fn apply(&mut self, id: &ViewId, edit: Edit, replace: bool) -> Applied {
        let applied = self.store.view(id).apply(edit, replace, *self.newest + 1);
        *self.newest = applied.revision.max(*self.newest);
        applied
    }

    /// Gives a view another revision without changing it: what it is computed from has changed.
    pub(super) fn touch(&mut self, id: &ViewId, changed: Changed) -> Applied {
        *self.newest += 1;
        let (revision, view) = (*self.newest, self.store.view(id));
        let mut current = view.current.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(current.get_or_insert_default()).revision = revision;
        drop(current);
        view.changed.send_replace(());
        Applied { revision, changed, aliases: Vec::new(), first: false }
    }

    /// Takes away all that a view has. True: it had been set.
    pub(super) fn clear(&mut self, view: &View) -> bool {
        view.clear()
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
        let applied = store.begin().apply(&ViewId::from("v"), edit, replace);
        let names = applied.changed.values().flatten().map(|name| name.to_string());
        (applied.revision, names.collect(), applied.first)
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
    fn a_change_costs_what_it_changes() {
        let names: Vec<_> = (0..100_000).map(|at| at.to_string()).collect();
        let store = Store::default();
        let mut all = Edit::default();
        for name in &names {
            all.put(Resource::hashed(TypeUrl::ENDPOINTS, &**name, "1"));
        }
        store.begin().apply(&"v".into(), all, true);
        for name in names.iter().step_by(10_000) {
            let in_use = store.view(&"v".into()).snapshot().unwrap();
            let cost =
                allocation_counter::measure(|| drop(apply(&store, put(&[(name, "2")]), false)));
            assert!(cost.bytes_total < 20_000, "{cost:?}");
            assert_eq!(
                (in_use.len(), in_use.get(TypeUrl::ENDPOINTS, name).is_some()),
                (100_000, true)
            );
        }
    }

    #[test]
    fn a_view_that_was_only_asked_for_is_forgotten() {
        let store = Store::default();
        let (one, two) = (store.view(&"x".into()), store.view(&"x".into()));
        store.release(one, false);
        assert_eq!(store.ids().len(), 1, "somebody still looks at it");
        store.release(two, false);
        assert_eq!(store.ids().len(), 0);
        store.begin().apply(&"x".into(), Edit::default(), true);
        store.release(store.view(&"x".into()), false);
        assert_eq!(store.ids().len(), 1, "it has been set, if to nothing");
        store.release(store.view(&"x".into()), true);
        assert_eq!(store.ids().len(), 0, "it can be computed again");
    }

    #[test]
    fn what_is_missing_from_a_view_that_is_set_again_has_changed() {
        let store = Store::default();
        apply(&store, put(&[("a", "1")]), true);
        let view = store.view(&"v".into());
        assert!(store.begin().clear(&view) && !store.begin().clear(&view));
        assert!(view.snapshot().is_none());
        assert_eq!(apply(&store, Edit::default(), true), (2, Vec::new(), true));
        let snapshot = view.snapshot().unwrap();
        assert_eq!(snapshot.of_type(&TypeUrl::ENDPOINTS.into()).changed_at, 2);
    }
}
