//! [`Change`]: what a push is about, as it lies in the queue.

use super::resource::{Name, ResourceKey, TypeUrl};
use crate::backlog::{ChangeSet, Everything, Merge};

/// Which resources may have changed, merged over all that was published since the client's last
/// push.
///
/// A hint that bounds the work: what is sent is decided by comparing the snapshot with what the
/// client has. So a key too many costs a look, and never shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The keys, or everything.
    pub keys: ChangeSet<ResourceKey>,
    /// The newest revision among what was merged.
    pub revision: u64,
}

impl Change {
    pub(super) fn of(
        type_url: &TypeUrl,
        names: impl IntoIterator<Item = Name>,
        revision: u64,
    ) -> Self {
        let keys = names
            .into_iter()
            .map(|name| ResourceKey { name, type_url: type_url.clone() })
            .collect();
        Change { keys, revision }
    }

    pub(super) fn all(revision: u64) -> Self {
        Change { keys: ChangeSet::everything(), revision }
    }
}

impl Merge for Change {
    fn merge(&mut self, other: &Self) {
        self.keys.merge(&other.keys);
        self.revision = self.revision.max(other.revision);
    }
}

impl Everything for Change {
    fn everything() -> Self {
        Change::all(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::merge::check_laws;
    use std::prelude::v1::*;

    #[test]
    fn changes_merge_in_any_order() {
        let cluster = TypeUrl::from(TypeUrl::CLUSTER);
        let change = |names: &[&str], revision| {
            Change::of(&cluster, names.iter().map(|name| Name::from(*name)), revision)
        };
        let samples = [change(&[], 0), change(&["a"], 3), change(&["a", "b"], 2), Change::all(1)];
        assert_eq!(check_laws(&samples), Ok(()));
        let mut merged = samples[1].clone();
        merged.merge(&samples[2]);
        assert_eq!(merged, change(&["b", "a"], 3));
    }
}
