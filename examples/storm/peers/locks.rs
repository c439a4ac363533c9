//! The two kinds of locks that the lock-based designs can be built on.

use std::ops::DerefMut;
use std::sync::PoisonError;

/// A mutex and its condition variable.
pub trait Locks: 'static {
    /// The mutex.
    type Mutex<T>;
    /// What holds it locked.
    type Guard<'a, T: 'a>: DerefMut<Target = T>;
    /// The condition variable.
    type Condvar: Default;

    /// An unlocked mutex.
    fn mutex<T>(value: T) -> Self::Mutex<T>;
    /// Locks it.
    fn lock<T>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T>;
    /// Unlocks, waits, and locks again. May return for no reason.
    fn wait<'a, T>(condvar: &Self::Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T>;
    /// Wakes one waiter.
    fn wake_one(condvar: &Self::Condvar);
    /// Wakes all of them.
    fn wake_all(condvar: &Self::Condvar);
}

/// The standard library's.
#[derive(Debug)]
pub struct Std;

/// What is guarded holds no promise that a panic could break halfway, so a poisoned lock is a good
/// one.
impl Locks for Std {
    type Mutex<T> = std::sync::Mutex<T>;
    type Guard<'a, T: 'a> = std::sync::MutexGuard<'a, T>;
    type Condvar = std::sync::Condvar;

    fn mutex<T>(value: T) -> Self::Mutex<T> {
        std::sync::Mutex::new(value)
    }

    fn lock<T>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a, T>(condvar: &Self::Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_one(condvar: &Self::Condvar) {
        condvar.notify_one();
    }

    fn wake_all(condvar: &Self::Condvar) {
        condvar.notify_all();
    }
}
