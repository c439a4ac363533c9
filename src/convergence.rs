//! Numbers: one for each publish to many, in order.
//!
//! * A publish takes its number *after* its last mark: once it has the number it may be waited for.
//! * A lease reads the newest number *after* its claim and *before* it takes the backlog: whatever
//!   has a number up to that one is contained in it. Completing stores it as the slot's `completed`
//!   (see [`progress`](crate::progress)).
//! * An idle slot is caught up, whatever its number.
//!
//! So publish V has converged when every client it concerned is idle, has completed a number ≥ V,
//! or has left. A [`Version`](crate::Version) remembers whom it concerned, so that a client that is
//! busy with other things holds nothing back.
//!
//! **When numbers wrap**, which those of a 32-bit target do, the numbers that the queue keeps must
//! not be older than half of all numbers. So each numbered publish looks at one bank, in turn, and
//! a slot's number that is older than a quarter becomes "none" (see
//! [`Progress::age`](crate::progress::Progress::age)). A version that a user has kept for so long
//! that it seems to be of the future is taken for one that is a quarter old: see [`Seq::known_at`].
//! Both are late at worst, by one push of a client.
//!
//! A publish to one client takes no number, because every publisher and every worker would meet at
//! the counter for it. It waits for a push of that client, which it knows by its count.

use core::cmp::Ordering as Order;

use crate::storage::CachePadded;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, const_fn};

/// A publish's number: one less bit than the machine word, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seq(usize);

/// Whether numbers may come round while a queue lives. (63 bits last for centuries.)
pub(crate) const WRAPS: bool = cfg!(any(test, not(target_pointer_width = "64")));

/// A quarter of all numbers.
pub(crate) const QUARTER: usize = 1 << (usize::BITS - 3);

impl Seq {
    #[inline]
    pub(crate) const fn from_word(word: usize) -> Self {
        Seq(word)
    }

    #[inline]
    pub(crate) const fn word(self) -> usize {
        self.0
    }

    /// Serial number arithmetic (RFC 1982): right while less than half of all numbers lie between.
    #[inline]
    pub(crate) fn cmp(self, other: Seq) -> Order {
        let ahead = (self.0.wrapping_sub(other.0) << 1) as isize;
        ahead.cmp(&0)
    }
}

impl Seq {
    /// The number that was given `many` publishes earlier.
    pub(crate) const fn before(self, many: usize) -> Seq {
        Seq(self.0.wrapping_sub(many) & (usize::MAX >> 1))
    }

    /// The number of a version that is asked about at `now`. None is newer than `now`, so one that
    /// seems to be is older than half of all numbers. What has completed a number of a quarter ago
    /// has completed that one too.
    pub(crate) fn known_at(self, now: Seq) -> Seq {
        if self.cmp(now).is_gt() { now.before(QUARTER) } else { self }
    }
}

/// Set in the counter's word once the queue is closed; the number is above it.
const CLOSED: usize = 1;
const ONE: usize = 2;

/// The counter.
pub(crate) struct Convergence {
    counter: CachePadded<AtomicUsize>,
    /// Whether the queue was found drained.
    drained: AtomicBool,
}

impl Convergence {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Convergence {
                counter: CachePadded(AtomicUsize::new(0)),
                drained: AtomicBool::new(false),
            }
        }
    }

    /// The number of the publish that was numbered last.
    #[inline]
    pub(crate) fn newest(&self) -> Seq {
        // Acquire: synchronizes with `number`. The reader sees the marks and the recorded requests
        // of every publish up to this number.
        Seq(self.counter.load(Ordering::Acquire) >> 1)
    }

    /// As [`newest`](Convergence::newest), of a publish that takes none, and has made its mark;
    /// `None` if the queue has been closed.
    #[inline]
    pub(crate) fn newest_if_open(&self) -> Option<Seq> {
        let word = self.counter.load(Ordering::Acquire); // with `number`, and with `close`
        (word & CLOSED == 0).then_some(Seq(word >> 1))
    }

    /// As [`newest`](Convergence::newest), for a newcomer. A read-modify-write: a publish not among
    /// the numbers read is numbered after this, and a thread that reads its number sees that the
    /// newcomer holds its slot.
    pub(crate) fn newest_for_newcomer(&self) -> Seq {
        Seq(self.counter.fetch_add(0, Ordering::AcqRel) >> 1) // with `number`
    }

    /// Numbers a publish whose marks are made; `None` if the queue was closed meanwhile.
    #[inline]
    pub(crate) fn number(&self) -> Option<Seq> {
        // Release: with the Acquire of `newest`. Acquire: with `close`, and with earlier publishes,
        // whose marks this number covers too.
        let before = self.counter.fetch_add(ONE, Ordering::AcqRel);
        (before & CLOSED == 0).then_some(Seq(before.wrapping_add(ONE) >> 1))
    }

    /// As if so many publishes had been numbered.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn advance(&self, many: usize) {
        self.counter.fetch_add(many.wrapping_mul(ONE), Ordering::AcqRel);
    }

    /// Numbers what has been published by now, also if the queue is closed.
    pub(crate) fn number_all(&self) -> Seq {
        // Release: with the Acquire of `newest`. A push that contains this number began after the
        // marks and requests of every publish that the caller knows of. A read-modify-write, so
        // that it continues what earlier publishes have released.
        Seq(self.counter.fetch_add(ONE, Ordering::Release).wrapping_add(ONE) >> 1)
    }

    /// No publish gets a number from now on.
    pub(crate) fn close(&self) {
        // AcqRel, with `number` and `is_closed`: every numbered publish came before, and a thread
        // that finds the queue closed sees its marks, and what the caller did before. (For
        // publishes without a number see `Bank::busy`.)
        self.counter.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// The queue was found drained. What is still marked by publishes that are refused doesn't
    /// change it.
    pub(crate) fn drain(&self) {
        self.drained.store(true, Ordering::Release); // with `is_drained`
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) // with `drain`: the pushes are seen to have ended
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.counter.load(Ordering::Acquire) & CLOSED != 0 // with `close`
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_until_it_is_closed() {
        let convergence = Convergence::new();
        assert_eq!(convergence.newest(), Seq(0));
        for number in 1..4 {
            assert_eq!(convergence.number(), Some(Seq(number)));
            assert_eq!(convergence.newest(), Seq(number));
            assert_eq!(convergence.newest_if_open(), Some(Seq(number)));
            assert_eq!(convergence.newest_for_newcomer(), Seq(number));
            assert!(!convergence.is_closed());
        }
        convergence.close();
        assert!(convergence.is_closed());
        assert_eq!((convergence.newest(), convergence.newest_for_newcomer()), (Seq(3), Seq(3)));
        assert_eq!((convergence.number(), convergence.newest_if_open()), (None, None));
        let newest = convergence.newest();
        assert_eq!(convergence.number_all().cmp(newest), Order::Greater);
        assert!(convergence.is_closed(), "still");
    }

    #[test]
    fn numbers_compare_across_the_wrap() {
        let last = Seq(usize::MAX >> 1);
        let first = Seq(0);
        assert_eq!(first.cmp(last), Order::Greater);
        assert_eq!(last.cmp(first), Order::Less);
        assert_eq!(Seq(7).cmp(Seq(7)), Order::Equal);
        assert_eq!(Seq(7).cmp(Seq(9)), Order::Less);
    }
}
