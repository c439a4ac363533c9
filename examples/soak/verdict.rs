//! Whether anything was found wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The first violation; its consequences are of no interest.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    bad: AtomicBool,
    details: Mutex<Option<String>>,
}

impl Verdict {
    pub(crate) fn violation(&self, details: String) {
        // A thread that panics is a violation itself, and must not hide another.
        let mut first = self.details.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        first.get_or_insert(details);
        self.bad.store(true, Relaxed);
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.bad.load(Relaxed)
    }

    pub(crate) fn bad(self) -> Option<String> {
        self.details.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
