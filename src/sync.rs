//! The atomics and the lock of the queue: `portable-atomic` and `spin`, or loom's. No other file of
//! the queue names one.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize};
#[cfg(not(loom))]
pub(crate) use portable_atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize};

pub(crate) use core::sync::atomic::Ordering;

/// Constructors that are `const`, except under loom: its atomics register when they are made.
macro_rules! const_fn {
    ($($(#[$meta:meta])* $visibility:vis const fn $name:ident($($arguments:tt)*) -> $of:ty $body:block)*) => {$(
        $(#[$meta])*
        #[cfg(not(loom))]
        $visibility const fn $name($($arguments)*) -> $of $body

        $(#[$meta])*
        #[cfg(loom)]
        $visibility fn $name($($arguments)*) -> $of $body
    )*};
}
pub(crate) use const_fn;

/// An array of new values, a constant except under loom.
macro_rules! array {
    ($make:expr; $len:expr) => {{
        #[cfg(not(loom))]
        let array = [const { $make }; $len];
        #[cfg(loom)]
        let array: [_; $len] = core::array::from_fn(|_| $make);
        array
    }};
}
pub(crate) use array;

/// A loop waits for another thread's progress. Loom must be told; hardware need not be.
#[inline]
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
}

#[cfg(feature = "spin")]
pub(crate) use lock::Lock;

/// A spin lock that knows when its own thread already holds one.
///
/// Backlogs run a request's `clone` and `merge` under it. If that code used the queue, it would
/// deadlock; with feature `std` it panics instead.
#[cfg(feature = "spin")]
mod lock {
    use core::ops::{Deref, DerefMut};

    #[cfg(loom)]
    use loom::sync::{Mutex, MutexGuard};
    #[cfg(not(loom))]
    use spin::{Mutex, MutexGuard};

    pub(crate) struct Lock<T>(Mutex<T>);

    impl<T> Lock<T> {
        super::const_fn! {
            pub(crate) const fn new(value: T) -> Self {
                Lock(Mutex::new(value))
            }
        }

        /// # Panics
        ///
        /// If this thread holds a lock of a backlog: it is called from a request's `clone` or
        /// `merge`.
        #[inline]
        pub(crate) fn lock(&self) -> Guard<'_, T> {
            let held = Held::enter();
            #[cfg(not(loom))]
            let guard = self.0.lock();
            #[cfg(loom)]
            let guard = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Guard { guard, _held: held }
        }
    }

    pub(crate) struct Guard<'a, T> {
        // Released before `_held`.
        guard: MutexGuard<'a, T>,
        _held: Held,
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        #[inline]
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    /// This thread holds a lock.
    struct Held;

    #[cfg(all(feature = "std", not(loom)))]
    mod thread {
        use core::cell::Cell;

        std::thread_local! {
            static HELD: Cell<bool> = const { Cell::new(false) };
        }

        impl super::Held {
            #[inline]
            pub(super) fn enter() -> Self {
                assert!(
                    !HELD.replace(true),
                    "a request's clone and merge must not use the queue: its lock is held"
                );
                super::Held
            }
        }

        impl Drop for super::Held {
            #[inline]
            fn drop(&mut self) {
                HELD.set(false);
            }
        }
    }

    #[cfg(not(all(feature = "std", not(loom))))]
    impl Held {
        #[inline]
        fn enter() -> Self {
            Held
        }
    }
}
