//! [`Held`]: resources by name, at eight bytes each.

use std::prelude::v1::*;

use crate::adapters::xds::resource::{Name, Resource};

/// What a client has of one type, at most one resource of each name, in the order of names. A map
/// would keep each name a second time; and what is sent comes in order, so it is mostly appended.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<Resource>);

impl Held {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|held| held.name().cmp(name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Resource> {
        self.find(name).ok().map(|at| &self.0[at])
    }

    /// Puts it in the place of one of the same name, which is returned.
    pub(super) fn insert(&mut self, resource: Resource) -> Option<Resource> {
        match self.find(resource.name()) {
            Ok(at) => Some(core::mem::replace(&mut self.0[at], resource)),
            Err(at) => {
                if self.0.capacity() == 0 {
                    // Most clients have few.
                    self.0.reserve_exact(2);
                }
                self.0.insert(at, resource);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Resource> {
        self.find(name).ok().map(|at| self.0.remove(at))
    }

    /// Lets each be changed, to one of the same name, or be dropped by `false`.
    pub(super) fn retain(&mut self, keep: impl FnMut(&mut Resource) -> bool) {
        self.0.retain_mut(keep);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.iter().map(Resource::shared_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::xds::resource::TypeUrl;

    fn resource(name: &str, version: &str) -> Resource {
        Resource::new(TypeUrl::ENDPOINTS, name, version, "")
    }

    #[test]
    fn there_is_one_of_each_name() {
        let mut held = Held::default();
        for name in ["b", "d", "a", "c"] {
            assert!(held.insert(resource(name, "1")).is_none());
        }
        assert!(held.names().map(|name| &**name).eq(["a", "b", "c", "d"]));
        assert_eq!(held.insert(resource("b", "2")).unwrap().version(), "1");
        assert_eq!(held.get("b").unwrap().version(), "2");
        assert!(held.get("e").is_none() && held.remove("e").is_none());
        assert_eq!(held.remove("a").unwrap().name(), "a");
        held.retain(|one| one.name() != "c");
        assert!(held.iter().map(Resource::name).eq(["b", "d"]));
    }
}
