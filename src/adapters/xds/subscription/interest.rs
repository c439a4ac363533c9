//! [`Interest`]: the names that a client is subscribed to.

use std::collections::BTreeSet;
use std::prelude::v1::*;

use crate::adapters::xds::resource::{Name, Resource};
use crate::adapters::xds::view::TypeSet;

/// What is asked for: some names, everything, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::adapters::xds) struct Interest {
    pub(in crate::adapters::xds) wildcard: bool,
    pub(in crate::adapters::xds) names: BTreeSet<Name>,
}

/// How an interest has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::adapters::xds) struct Moved {
    pub(in crate::adapters::xds) added: Vec<Name>,
    pub(in crate::adapters::xds) left: Vec<Name>,
    /// It has become a wildcard, or has ceased to be one.
    pub(in crate::adapters::xds) wildcard: Option<bool>,
}

impl Moved {
    pub(in crate::adapters::xds) fn is_nothing(&self) -> bool {
        *self == Moved::default()
    }
}

impl Interest {
    pub(in crate::adapters::xds) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// By its name, or by an alias.
    pub(super) fn covers_resource(&self, resource: &Resource) -> bool {
        self.covers(resource.name()) || resource.aliases().any(|alias| self.names.contains(alias))
    }

    /// Takes names that are there already in place of copies that have just come: the clients that
    /// subscribe to one share its memory.
    pub(in crate::adapters::xds) fn share(&mut self, moved: &mut Moved, set: &TypeSet) {
        for name in &mut moved.added {
            if let Some((there, _)) = set.resources.get_key_value(name) {
                *name = there.clone();
                self.names.replace(there.clone());
            }
        }
    }

    /// From nothing to this.
    pub(in crate::adapters::xds) fn all_of(&self) -> Moved {
        Interest::default().change_to(self.clone())
    }

    /// From this to nothing.
    pub(in crate::adapters::xds) fn nothing_of(&self) -> Moved {
        self.clone().change_to(Interest::default())
    }

    /// Becomes `next`.
    pub(super) fn change_to(&mut self, next: Interest) -> Moved {
        let moved = Moved {
            added: next.names.difference(&self.names).cloned().collect(),
            left: self.names.difference(&next.names).cloned().collect(),
            wildcard: (next.wildcard != self.wildcard).then_some(next.wildcard),
        };
        *self = next;
        moved
    }
}
