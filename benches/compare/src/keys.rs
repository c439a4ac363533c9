//! The payload of the benchmarks: a set of keys, the same type for all designs, so that it is the
//! designs that are compared and not their sets.

use std::sync::Arc;

use pushlane::backlog::{ChangeSet, Everything, Merge};

/// Which keys changed.
#[derive(Clone, Debug)]
pub struct Keys(pub ChangeSet<u32>);

impl Keys {
    /// So many keys from `first` on.
    pub fn new(first: u32, count: u32) -> Arc<Keys> {
        Arc::new(Keys((first..first + count).collect()))
    }
}

impl Merge for Keys {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Everything for Keys {
    fn everything() -> Self {
        Keys(ChangeSet::everything())
    }
}

impl pushlane_peers::Merge for Keys {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}
