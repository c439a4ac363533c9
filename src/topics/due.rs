//! The topics for which banks are to be visited, of one lane.
//!
//! A topic is in the set while its fan-out is pending. Who raises a fan-out that was not pending puts the topic
//! in, by a read-modify-write; any other publisher only looks, and puts it in if it isn't there. Who finds
//! that nothing is to be visited any more takes the topic out *first* and looks at the fan-out *afterwards*:
//! a raise whose insertion came before is seen by that look, and the topic goes back; of one that comes later,
//! the insertion stays.

use crate::storage::Storage;
use crate::sync::{Atomic, AtomicUsize, Ordering};

const BITS: usize = usize::BITS as usize;

/// One lane's due topics.
pub(crate) struct Due<S: Storage> {
    /// How many there are; for a moment more, never less.
    count: AtomicUsize,
    /// One bit for each topic.
    words: S::Topics<AtomicUsize>,
    /// The topic after the one that was found last. A hint.
    cursor: AtomicUsize,
}

impl<S: Storage> Due<S> {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(words: S::Topics<AtomicUsize>) -> Self {
        Due { count: AtomicUsize::zero(), words, cursor: AtomicUsize::zero() }
    }

    #[cfg(not(loom))]
    pub(crate) const fn const_new(words: S::Topics<AtomicUsize>) -> Self {
        Due { count: AtomicUsize::ZERO, words, cursor: AtomicUsize::ZERO }
    }

    fn words(&self) -> &[AtomicUsize] {
        self.words.as_ref()
    }

    /// Whether no topic is due, as far as the caller can know: one that was put in before is seen. One load,
    /// if so.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // A count that is ahead is not believed: whoever is told of work and finds none would look again and
        // again while a publisher is stalled.
        self.is_uncounted() || self.from(0).next().is_none()
    }

    #[inline]
    fn is_uncounted(&self) -> bool {
        // Relaxed: coherence shows what happened before.
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Puts a topic in that has been raised; `first`, if its fan-out was not pending before.
    pub(crate) fn insert(&self, topic: usize, first: bool) {
        let (word, bit) = (&self.words()[topic / BITS], 1 << (topic % BITS));
        // Acquire: with the Release below. Whoever is told by this publisher sees the count.
        if !first && word.load(Ordering::Acquire) & bit != 0 {
            return;
        }
        // Counted before it is there. Relaxed: with the Release below.
        self.count.fetch_add(1, Ordering::Relaxed);
        // Release: with the Acquire in `remove`, which then sees that the topic has been raised.
        if word.fetch_or(bit, Ordering::Release) & bit != 0 {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a topic out. The caller looks at its fan-out afterwards.
    pub(super) fn remove(&self, topic: usize) {
        let bit = 1 << (topic % BITS);
        // Acquire: with the Release in `insert`.
        if self.words()[topic / BITS].fetch_and(!bit, Ordering::Acquire) & bit != 0 {
            self.count.fetch_sub(1, Ordering::Relaxed); // after the addition, by the Acquire
        }
    }

    /// The next topic, in turn.
    pub(super) fn next(&self) -> Option<usize> {
        if self.is_uncounted() {
            return None;
        }
        // Relaxed: it only decides the order of service.
        let first = self.cursor.load(Ordering::Relaxed) % (self.words().len() * BITS);
        let next = self.from(first).chain(self.from(0)).next()?;
        self.cursor.store(next + 1, Ordering::Relaxed);
        Some(next)
    }

    /// All topics, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let none = self.is_uncounted();
        (!none).then(|| self.from(0)).into_iter().flatten()
    }

    /// Those from `first` on.
    fn from(&self, first: usize) -> impl Iterator<Item = usize> {
        let words = self.words().iter().enumerate().skip(first / BITS);
        words.flat_map(move |(index, word)| {
            // Acquire: with the Release in `insert`. Without it the fan-out might not look pending.
            let mut rest = word.load(Ordering::Acquire);
            if index == first / BITS {
                rest &= usize::MAX << (first % BITS);
            }
            core::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(index * BITS + bit)
            })
        })
    }
}

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;
    use crate::storage::Heap;

    fn due(topics: usize) -> Due<Heap> {
        Due::new(Heap::words(topics))
    }

    #[test]
    fn topics_come_in_turn_and_nobody_is_left_out() {
        let due = due(3 * BITS);
        assert_eq!(due.next(), None);
        let some = [0, 1, BITS - 1, BITS, 3 * BITS - 1];
        some.iter().for_each(|&topic| due.insert(topic, true));
        assert!(due.iter().eq(some));
        for topic in some.into_iter().chain(some) {
            assert_eq!(due.next(), Some(topic));
        }
        due.remove(1);
        assert_eq!([(); 5].map(|()| due.next().unwrap()), [0, BITS - 1, BITS, 3 * BITS - 1, 0]);
    }

    #[test]
    fn a_topic_is_there_once() {
        let due = due(1);
        for first in [true, false, true] {
            due.insert(0, first);
            assert!(!due.is_empty());
        }
        due.remove(0);
        assert!(due.is_empty() && due.next().is_none());
        due.remove(0);
        assert!(due.is_empty());
        due.insert(0, false);
        assert!(due.iter().eq([0]), "also if whoever was first has not put it in yet");
    }

    #[test]
    fn who_takes_out_what_is_not_there_leaves_the_others_in() {
        let due = due(2);
        due.insert(0, true);
        due.remove(1);
        assert_eq!((due.count.load(Ordering::Relaxed), due.next()), (1, Some(0)));
        due.remove(0);
        assert_eq!((due.count.load(Ordering::Relaxed), due.next()), (0, None));
    }

    #[test]
    fn a_count_that_is_ahead_is_not_believed() {
        let due = due(1);
        due.count.fetch_add(1, Ordering::Relaxed); // a publisher that has not put its topic in yet
        assert!(due.is_empty() && due.next().is_none());
    }
}
