//! Destructors that panic: the rest of an operation is done all the same, and a second panic is
//! avoided.
//!
//! An operation runs destructors last, when its permits, places and signals have been seen to.
//! While a panic unwinds, the queue runs none: a second panic would abort the process. A request
//! that should be dropped then stays in the cell of its vacant slot, until the slot's next client
//! comes.

/// Whether this thread is unwinding. Always `false` without feature `std`, which alone can tell.
pub(crate) fn is_unwinding() -> bool {
    #[cfg(feature = "std")]
    return std::thread::panicking();
    #[cfg(not(feature = "std"))]
    false
}

/// Does something when it is dropped, also while a panic unwinds. `core::mem::forget` disarms it.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    #[inline]
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Drops each value, also if the destructor of one before it panics. The first panic goes on
/// afterwards. Without feature `std` the values after a panic are leaked.
pub(crate) fn drop_each<T, const N: usize>(values: [T; N]) {
    if !core::mem::needs_drop::<T>() {
        return;
    }
    // Not dropped with what is left in it while a panic unwinds.
    let mut values = core::mem::ManuallyDrop::new(values.into_iter());
    #[cfg(feature = "std")]
    {
        use core::panic::AssertUnwindSafe;
        use std::panic::{catch_unwind, resume_unwind};

        let mut first = None;
        for value in &mut *values {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                match first {
                    None => first = Some(panic),
                    // Its destructor could panic as well.
                    Some(_) => core::mem::forget(panic),
                }
            }
        }
        if let Some(panic) = first {
            resume_unwind(panic);
        }
    }
    #[cfg(not(feature = "std"))]
    (&mut *values).for_each(drop);
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use core::panic::AssertUnwindSafe;
    use std::boxed::Box;
    use std::cell::Cell;
    use std::panic::{catch_unwind, resume_unwind};

    use super::*;

    struct Counted<'a>(&'a Cell<u32>, bool);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if self.1 {
                resume_unwind(Box::new("on purpose"));
            }
        }
    }

    #[test]
    fn all_are_dropped_whichever_panics() {
        for bombs in
            [[false; 4], [true, false, false, false], [true, false, true, false], [true; 4]]
        {
            let dropped = Cell::new(0);
            let values = bombs.map(|bomb| Counted(&dropped, bomb));
            let outcome = catch_unwind(AssertUnwindSafe(|| drop_each(values)));
            assert_eq!(outcome.is_err(), bombs[0]);
            assert_eq!(dropped.get(), 4);
        }
    }

    #[test]
    fn a_thread_knows_that_it_unwinds() {
        struct Asks<'a>(&'a Cell<bool>);

        impl Drop for Asks<'_> {
            fn drop(&mut self) {
                self.0.set(is_unwinding());
            }
        }

        let unwinding = Cell::new(true);
        drop(Asks(&unwinding));
        assert!(!unwinding.get());
        let unwind = || {
            let _asks = Asks(&unwinding);
            resume_unwind(Box::new("on purpose"));
        };
        assert!(catch_unwind(AssertUnwindSafe(unwind)).is_err());
        assert!(unwinding.get());
    }
}
