//! A signal that remembers whether it was given.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pushlane::Signal;

pub(crate) struct Bell(AtomicBool);

impl Bell {
    pub(crate) const fn new() -> Self {
        Bell(AtomicBool::new(false))
    }

    pub(crate) fn forget(&self) {
        self.0.store(false, Relaxed);
    }

    /// Whether there was work to do at some moment since `forget`.
    pub(crate) fn was_told(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Signal for Bell {
    fn ready(&self, _leases: usize) {
        self.0.store(true, Relaxed);
    }
}
