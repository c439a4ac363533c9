//! Which topics have members in a bank, so that a client that leaves need not look at all topics.
//!
//! A word has two bits for each group of neighbouring topics. On the heap a group is one topic, and
//! a bank has as many words as that takes. In place a bank has one word, and the groups are as
//! large as that makes them.
//!
//! * *members*: the group may have members in the bank. Set after each change of a row that a visit
//!   is to find.
//! * *sweeping*: a thread found no member, has cleared *members*, and looks at the rows once more.
//!   If there is a member now, it sets *members* again; then it clears this.
//!
//! Both count as set for a visit. So a client that is in a row is found at any time after its
//! subscription: no thread can clear the one bit without setting the other.

use core::ops::Range;

use crate::slot::slots;
use crate::storage::Storage;
use crate::sync::{AtomicUsize, Ordering};

/// How many groups a word has bits for.
const GROUPS: usize = (usize::BITS / 2) as usize;
const MEMBERS: usize = usize::MAX >> GROUPS;

/// For each bank and each group of topics, whether there may be members.
pub(crate) struct Summary<S: Storage> {
    /// Those of a bank side by side.
    words: S::Banks<AtomicUsize>,
    words_per_bank: usize,
    topics: usize,
    topics_per_group: usize,
}

impl<S: Storage> Summary<S> {
    /// In place: one word a bank.
    #[cfg(not(loom))]
    pub(crate) const fn const_new(words: S::Banks<AtomicUsize>, topics: usize) -> Self {
        let topics_per_group = if topics > GROUPS { topics.div_ceil(GROUPS) } else { 1 };
        Summary { words, words_per_bank: 1, topics, topics_per_group }
    }

    fn bank(&self, bank: usize) -> &[AtomicUsize] {
        &self.words.as_ref()[bank * self.words_per_bank..][..self.words_per_bank]
    }

    /// A client of the bank has come to the topic's row, or is to be visited there again.
    ///
    /// Called after the change of the row.
    pub(super) fn add(&self, bank: usize, topic: usize) {
        let group = topic / self.topics_per_group;
        // Release: with the Acquire in `forget`, which then sees the row. Always a
        // read-modify-write: a load that finds the bit set would not keep another thread from
        // clearing it.
        self.bank(bank)[group / GROUPS].fetch_or(1 << (group % GROUPS), Ordering::Release);
    }

    /// Calls `visit` with each range of topics that may have members in the bank. If it returns
    /// true (there are none), it is asked once more and the group is forgotten.
    ///
    /// Finds all rows that the caller's client came to before: the caller has synchronized with the
    /// threads that subscribed it.
    pub(super) fn visit(&self, bank: usize, mut visit: impl FnMut(Range<usize>) -> bool) {
        for (index, word) in self.bank(bank).iter().enumerate() {
            let seen = word.load(Ordering::Relaxed); // see above
            for bit in slots((seen | seen >> GROUPS) & MEMBERS) {
                let first = (index * GROUPS + bit) * self.topics_per_group;
                let topics = first..self.topics.min(first + self.topics_per_group);
                if visit(topics.clone()) {
                    forget(word, bit, || visit(topics));
                }
            }
        }
    }
}

#[cfg(feature = "alloc")]
impl<R: crate::ready::ReadySet> Summary<crate::storage::Heap<R>> {
    pub(crate) fn new(banks: usize, topics: usize) -> Self {
        let words_per_bank = topics.div_ceil(GROUPS);
        let words = crate::storage::row(banks * words_per_bank, || AtomicUsize::new(0));
        Summary { words, words_per_bank, topics, topics_per_group: 1 }
    }
}

/// No member was found in a group.
#[cold]
fn forget(word: &AtomicUsize, bit: usize, is_empty: impl FnOnce() -> bool) {
    let (members, sweeping) = (1 << bit, 1 << (bit + GROUPS));
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        if seen & members == 0 || seen & sweeping != 0 {
            // Another thread is at it. What it leaves set in vain, the next visit clears.
            return;
        }
        match word.compare_exchange_weak(
            seen,
            seen & !members | sweeping,
            Ordering::Acquire, // with `add`: the rows are looked at as they were then, or later
            Ordering::Relaxed, // tried again
        ) {
            Ok(_) => break,
            Err(now) => seen = now,
        }
    }
    // Relaxed: the two change nothing that another thread has released, and coherence keeps their
    // order.
    if !is_empty() {
        word.fetch_or(members, Ordering::Relaxed);
    }
    word.fetch_and(!sweeping, Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::single_range_in_vec_init, reason = "one group was visited")]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::storage::{Heap, Static};

    fn visited<S: Storage>(summary: &Summary<S>, bank: usize) -> Vec<Range<usize>> {
        let mut visited = Vec::new();
        summary.visit(bank, |topics| {
            visited.push(topics);
            false
        });
        visited
    }

    #[test]
    fn on_the_heap_a_visit_finds_each_topic_by_itself() {
        let summary = Summary::<Heap>::new(3, 2 * GROUPS + 1);
        for topic in [0, GROUPS - 1, GROUPS, 2 * GROUPS] {
            summary.add(1, topic);
            summary.add(1, topic);
        }
        let found = [0, GROUPS - 1, GROUPS, 2 * GROUPS].map(|topic| topic..topic + 1);
        assert_eq!(visited(&summary, 1), found);
        assert!(visited(&summary, 0).is_empty() && visited(&summary, 2).is_empty());
        assert!(visited(&Summary::<Heap>::new(3, 0), 2).is_empty());
    }

    #[test]
    fn in_place_one_word_is_enough_for_any_number_of_topics() {
        for topics in [1, GROUPS, GROUPS + 1, 100 * GROUPS - 1] {
            let words = [const { AtomicUsize::new(0) }; 2];
            let summary = Summary::<Static<2>>::const_new(words, topics);
            for topic in [0, topics / 2, topics - 1] {
                summary.add(1, topic);
                let found = visited(&summary, 1);
                assert!(found.iter().any(|group| group.contains(&topic)), "{topic} of {topics}");
                assert!(found.iter().all(|group| group.end <= topics && !group.is_empty()));
            }
            assert!(visited(&summary, 0).is_empty());
        }
    }

    #[test]
    fn a_group_without_members_is_forgotten() {
        let summary = Summary::<Heap>::new(1, 2);
        summary.add(0, 0);
        summary.add(0, 1);
        let mut asked = Vec::new();
        summary.visit(0, |topics| {
            asked.push(topics.start);
            topics.start == 1
        });
        assert_eq!(asked, [0, 1, 1], "asked again before it is forgotten");
        assert_eq!(visited(&summary, 0), [0..1]);
    }

    #[test]
    fn a_member_that_comes_during_the_sweep_is_not_forgotten() {
        // Between the two looks; or before the first, which did not see it, and after the second.
        for (first, again) in [(true, false), (true, true)] {
            let summary = Summary::<Heap>::new(1, 1);
            summary.add(0, 0);
            let mut answers = [first, again].into_iter();
            summary.visit(0, |_| {
                let answer = answers.next().unwrap();
                if answers.len() == 0 {
                    assert_eq!(visited(&summary, 0), [0..1], "while it is swept it is visited");
                    if again {
                        summary.add(0, 0); // after the look that found nobody
                    }
                }
                answer
            });
            assert_eq!(visited(&summary, 0), [0..1]);
        }
    }

    #[test]
    fn one_thread_sweeps_a_group_at_a_time() {
        let word = AtomicUsize::new(1);
        forget(&word, 0, || {
            word.fetch_or(1, Ordering::Relaxed);
            forget(&word, 0, || unreachable!("another one is at it"));
            true
        });
        assert_eq!(word.load(Ordering::Relaxed), 1);
        forget(&word, 0, || true);
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
}
