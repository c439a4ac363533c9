//! The only file that names an atomic: `portable-atomic`, or loom when a model is being checked.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize};
#[cfg(not(loom))]
pub(crate) use portable_atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize};

pub(crate) use core::sync::atomic::Ordering;

/// A new atomic, in a constant outside loom (whose atomics register themselves when they are made).
pub(crate) trait Atomic: Sized {
    #[cfg(not(loom))]
    const ZERO: Self;

    fn zero() -> Self;
}

macro_rules! atomic {
    ($($atomic:ty = $zero:expr),*) => {$(
        impl Atomic for $atomic {
            #[cfg(not(loom))]
            const ZERO: Self = <$atomic>::new($zero);

            fn zero() -> Self {
                <$atomic>::new($zero)
            }
        }
    )*};
}

atomic!(AtomicBool = false, AtomicU16 = 0, AtomicU32 = 0, AtomicUsize = 0);

/// Called where a loop waits for another thread's progress: loom must be told, hardware need not be.
#[inline]
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
}
