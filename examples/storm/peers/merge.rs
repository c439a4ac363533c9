//! Requests: how two of them become one, and where one waits if there is a place a client.

use std::sync::Arc;

/// Two requests for one client become one.
///
/// Must not depend on order: publishers race, and an older request may come second.
pub trait Merge {
    /// Takes `other` in.
    fn merge(&mut self, other: &Self);
}

/// Nothing is said but that there is something.
impl Merge for () {
    fn merge(&mut self, (): &Self) {}
}

/// Requests are shared between clients until one of them has to merge: only that one pays for a
/// copy, and only the first time, because from then on its copy is its own.
impl<R: Merge + Clone> Merge for Arc<R> {
    fn merge(&mut self, other: &Self) {
        if !Arc::ptr_eq(self, other) {
            Arc::make_mut(self).merge(other);
        }
    }
}
