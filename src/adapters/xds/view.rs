//! [`ViewId`] and [`Snapshot`]: what a group of clients is served, all at one revision.

use core::fmt;
use core::ops::Deref;
use std::collections::BTreeMap;
use std::prelude::v1::*;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::resource::{Name, Resource, TypeUrl};

/// Which resources a client is served. A client belongs to one view, and nothing of another one
/// reaches it.
///
/// ```
/// use pushlane::adapters::xds::ViewId;
///
/// assert_eq!(ViewId::from("edge"), ViewId::from(String::from("edge")));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(Arc<str>);

impl<T: Into<Arc<str>>> From<T> for ViewId {
    fn from(name: T) -> Self {
        ViewId(name.into())
    }
}

// Hidden: its page would list all methods of `str`.
#[doc(hidden)]
impl Deref for ViewId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A view's resources at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) revision: u64,
    pub(super) types: BTreeMap<TypeUrl, Arc<TypeSet>>,
    /// For types that have no resource.
    pub(super) none: TypeSet,
}

impl Snapshot {
    /// Which change made it. Revisions of one server grow, over all views.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The resource of this type and name.
    pub fn get(&self, type_url: &str, name: &str) -> Option<&Resource> {
        self.types.get(type_url)?.resources.get(name)
    }

    /// All resources, by type and name.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> + '_ {
        self.types.values().flat_map(|set| set.resources.values())
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.types.values().map(|set| set.resources.size()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn of_type(&self, type_url: &TypeUrl) -> &TypeSet {
        self.types.get(type_url).map_or(&self.none, |set| set)
    }
}

/// A view's resources of one type. A copy shares its maps with the original: a change of one
/// resource copies the path to it, however many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeSet {
    /// The revision of the last change to any of them.
    pub(super) changed_at: u64,
    pub(super) resources: RedBlackTreeMapSync<Name, Resource>,
    /// The names of resources, by their aliases.
    aliases: RedBlackTreeMapSync<Name, Name>,
}

impl TypeSet {
    /// By its name, or by an alias.
    pub(super) fn find(&self, name: &str) -> Option<&Resource> {
        let named = self.resources.get(name);
        named.or_else(|| self.resources.get(self.aliases.get(name)?))
    }

    /// Whether one resource may have several names.
    pub(super) fn has_aliases(&self) -> bool {
        !self.aliases.is_empty()
    }

    /// Puts a resource, or removes it. Returns the aliases that it had and has.
    pub(super) fn put(&mut self, name: Name, resource: Option<Resource>) -> Vec<Name> {
        let new = resource.iter().flat_map(Resource::shared_aliases).cloned();
        let mut aliases: Vec<Name> = new.collect();
        let old = self.resources.get(&name).cloned();
        match resource {
            Some(resource) => self.resources.insert_mut(name.clone(), resource),
            None => {
                self.resources.remove_mut(&name);
            }
        }
        for alias in old.iter().flat_map(Resource::shared_aliases) {
            if self.aliases.get(alias).is_some_and(|of| *of == name) {
                self.aliases.remove_mut(alias);
            }
        }
        for alias in &aliases {
            self.aliases.insert_mut(alias.clone(), name.clone());
        }
        aliases.extend(old.iter().flat_map(Resource::shared_aliases).cloned());
        aliases
    }
}
