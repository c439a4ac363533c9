//! Permits: how many pushes may be prepared at once.

use crate::sync::{AtomicUsize, Ordering, const_fn};

const HALF: u32 = usize::BITS / 2;

/// The largest limit there can be: half a machine word, 4,294,967,295 on a 64-bit target and 65,535
/// on a 32-bit one.
///
/// A client has one push at a time and there are no more clients than this, so this limit is never
/// reached. It means *no limit*: pushes that begin under it are not counted, which saves two
/// read-modify-writes of a word that all workers share.
pub const MAX_PERMITS: usize = (1 << HALF) - 1;

/// A counting limiter that can be resized while permits are out.
///
/// The limit and the number of permits held share one word, so free + held = limit by definition. A
/// lower limit takes effect as permits come back.
pub(crate) struct Limiter(AtomicUsize);

/// The limit in the high half, what is held in the low half.
#[derive(Clone, Copy)]
struct Permits(usize);

impl Permits {
    #[inline]
    const fn new(limit: usize, held: usize) -> Self {
        Permits(limit << HALF | held)
    }

    #[inline]
    const fn limit(self) -> usize {
        self.0 >> HALF
    }

    #[inline]
    const fn held(self) -> usize {
        self.0 & MAX_PERMITS
    }
}

/// `limit`, or the largest possible one if that is less.
const fn saturate(limit: usize) -> usize {
    if limit > MAX_PERMITS { MAX_PERMITS } else { limit }
}

impl Limiter {
    const_fn! {
        pub(crate) const fn new(limit: usize) -> Self {
            Limiter(AtomicUsize::new(Permits::new(saturate(limit), 0).0))
        }
    }

    /// Whether the limit can be reached. If not, no permit is counted.
    #[inline]
    pub(crate) fn binds(&self) -> bool {
        // Relaxed: a limit that is changed meanwhile counts from the next push on.
        self.limit() < MAX_PERMITS
    }

    /// Takes up to `n` permits; the answer says how many.
    ///
    /// A failed attempt is a read-modify-write too. The worker that fails goes to sleep, and the
    /// holder of the last permit must see the work for which it was woken. AcqRel, with the AcqRel
    /// in `release`: one of the two sees the other.
    ///
    /// The same pair, and the one with `resize`, hands a permit over: its next holder sees all that
    /// was done under it. With one permit, pushes exclude one another.
    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> usize {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let permits = Permits(word);
            let granted = permits.limit().saturating_sub(permits.held()).min(n);
            match self.0.compare_exchange_weak(
                word,
                word + granted,
                Ordering::AcqRel,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return granted,
                Err(now) => word = now,
            }
        }
    }

    /// Gives `n` permits back. They must have been taken.
    #[inline]
    pub(crate) fn release(&self, n: usize) {
        // AcqRel: see `try_acquire`.
        let before = Permits(self.0.fetch_sub(n, Ordering::AcqRel));
        debug_assert!(before.held() >= n, "a permit came back twice");
    }

    /// Sets the limit; the answer is the one before.
    pub(crate) fn resize(&self, limit: usize) -> usize {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = Permits::new(saturate(limit), Permits(word).held());
            match self.0.compare_exchange_weak(
                word,
                next.0,
                Ordering::AcqRel, // as in `release`: a larger limit is permits that came back
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return Permits(word).limit(),
                Err(now) => word = now,
            }
        }
    }

    #[inline]
    pub(crate) fn limit(&self) -> usize {
        Permits(self.0.load(Ordering::Relaxed)).limit()
    }

    #[inline]
    pub(crate) fn held(&self) -> usize {
        Permits(self.0.load(Ordering::Relaxed)).held()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_is_free() {
        let limiter = Limiter::new(3);
        assert_eq!(limiter.try_acquire(2), 2);
        assert_eq!(limiter.try_acquire(2), 1);
        assert_eq!(limiter.try_acquire(1), 0);
        limiter.release(1);
        assert_eq!((limiter.held(), limiter.try_acquire(5)), (2, 1));
    }

    #[test]
    fn shrinking_takes_effect_as_permits_come_back() {
        let limiter = Limiter::new(3);
        assert_eq!(limiter.try_acquire(3), 3);
        assert_eq!(limiter.resize(1), 3);
        limiter.release(1);
        assert_eq!(limiter.try_acquire(1), 0);
        limiter.release(2);
        assert_eq!(limiter.try_acquire(2), 1);
    }

    #[test]
    fn growing_frees_permits_at_once() {
        let limiter = Limiter::new(0);
        assert_eq!(limiter.try_acquire(1), 0);
        limiter.resize(2);
        assert_eq!(limiter.try_acquire(3), 2);
    }

    #[test]
    fn a_limit_beyond_the_largest_is_the_largest() {
        for beyond in [MAX_PERMITS + 1, usize::MAX] {
            let limiter = Limiter::new(beyond);
            assert_eq!(limiter.limit(), MAX_PERMITS);
            assert_eq!(limiter.try_acquire(7), 7);
            assert_eq!((limiter.limit(), limiter.held()), (MAX_PERMITS, 7));
            limiter.resize(1);
            limiter.resize(beyond);
            assert_eq!((limiter.limit(), limiter.held()), (MAX_PERMITS, 7));
        }
    }

    #[test]
    fn only_the_largest_limit_does_not_bind() {
        let binds = |limit| Limiter::new(limit).binds();
        assert_eq!([0, 1, MAX_PERMITS - 1, MAX_PERMITS].map(binds), [true, true, true, false]);
    }
}
