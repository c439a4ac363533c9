//! `spin::Mutex` as loom sees it: a loom mutex, so that no model spins.

use loom::sync::{Mutex as LoomMutex, MutexGuard};

/// As `spin::Mutex`.
pub struct Mutex<T>(LoomMutex<T>);

impl<T> Mutex<T> {
    /// As `spin::Mutex::new`, but not in a constant.
    pub fn new(value: T) -> Self {
        Mutex(LoomMutex::new(value))
    }

    /// As `spin::Mutex::lock`. A spin lock is not poisoned, and neither is this one.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}
