//! What is published: numbered changes, which merge to the set of them.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Arc;

use pushlane::backlog::Merge;

/// Merging this one in panics.
pub(crate) const BOMB: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(crate) numbers: BTreeSet<u32>,
    /// Another clone tells how many changes are in memory.
    _alive: Arc<()>,
}

impl Changes {
    pub(crate) fn new(number: u32, alive: &Arc<()>) -> Arc<Self> {
        Arc::new(Changes { numbers: [number].into(), _alive: Arc::clone(alive) })
    }
}

impl Merge for Changes {
    fn merge(&mut self, other: &Self) {
        if other.numbers.contains(&BOMB) {
            panic_quietly();
        }
        self.numbers.extend(&other.numbers);
    }
}

/// A change that the ledger does not know.
pub(crate) fn request(number: u32) -> Arc<Changes> {
    Changes::new(number, &Arc::default())
}

/// Unwinds without the hook that would print a message into the test's output.
pub(crate) fn panic_quietly() -> ! {
    resume_unwind(Box::new("on purpose"))
}
