//! The word of a bank: each transition of [`slot`](crate::slot) as one atomic operation.
//!
//! Every transition is a read-modify-write, also when it changes nothing. The modification order of
//! the word decides each race (publisher and newcomer, lease holder and leaver), and the later side
//! sees all that the earlier one did. A plain load in its place would lose updates.

use crate::slot::{ALL, Claimed, Lane, Marked, Released, SLOTS, Snapshot, Vacated};
use crate::sync::{AtomicUsize, Ordering, const_fn};

/// The state of [`SLOTS`](crate::SLOTS) clients.
pub(crate) struct Bank(AtomicUsize);

impl Bank {
    const_fn! {
        /// A bank whose slots are vacant, except those of `mask`: they are held for ever.
        pub(crate) const fn with_held(mask: usize) -> Bank {
            Bank(AtomicUsize::new(Snapshot::VACANT.hold(mask).word()))
        }
    }

    /// Acquire: synchronizes with the Release of the transition it reads. What was written before
    /// that transition (a completed number, a generation) is visible.
    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot::from_word(self.0.load(Ordering::Acquire))
    }

    /// One transition. `step` returns `None` where the transition does not apply.
    ///
    /// AcqRel on success: each transition synchronizes with the next one in the word's modification
    /// order. It hands over a publisher's writes (`mark` → `claim`), the owner's (`release` →
    /// `claim`, `retire` → `reserve`) and a newcomer's (`admit` → `mark`).
    /// Failure is Acquire: a transition that does not apply is a decision too (an empty bank is not
    /// put back), and rests on all that preceded the word it read.
    #[inline]
    fn transit<T>(&self, step: impl Fn(Snapshot) -> Option<(Snapshot, T)>) -> Option<T> {
        let mut word = self.load().word();
        loop {
            let (next, outcome) = step(Snapshot::from_word(word))?;
            match self.0.compare_exchange_weak(
                word,
                next.word(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(outcome),
                Err(now) => word = now,
            }
        }
    }

    /// A transition that always applies.
    #[inline]
    fn change<T>(&self, step: impl Fn(Snapshot) -> (Snapshot, T)) -> T {
        match self.transit(|bank| Some(step(bank))) {
            Some(outcome) => outcome,
            None => unreachable!("the step always applies"),
        }
    }

    /// Reserves the lowest vacant slot. The slot's data is the caller's until `admit`.
    pub(crate) fn reserve(&self) -> Option<usize> {
        self.transit(Snapshot::reserve)
    }

    /// Makes a reserved slot live.
    pub(crate) fn admit(&self, slot: usize, pending: Option<Lane>) {
        self.change(|bank| (bank.admit(slot, pending), ()));
    }

    /// Marks the live slots of `mask`.
    ///
    /// There is no early return for bits that are already set. Without the read-modify-write the
    /// next owner would not see what this publisher wrote.
    #[inline]
    pub(crate) fn mark(&self, mask: usize, lane: Lane) -> Marked {
        self.change(|bank| {
            let marked = bank.mark(mask, lane);
            (marked.next, marked)
        })
    }

    /// Marks the live slots of neighbouring banks, a mask for each; at most `usize::BITS` banks.
    /// Returns a mask of the banks that have newly ready slots, and the number of those slots.
    ///
    /// Not inlined, so that its loop keeps its values in registers: the time between two exchanges
    /// is what a fan-out costs.
    #[inline(never)]
    pub(crate) fn mark_many<'a>(
        banks: impl Iterator<Item = &'a Bank>,
        masks: impl Iterator<Item = usize>,
        lane: Lane,
    ) -> (usize, usize) {
        const MOST: usize = usize::BITS as usize;
        let mark = |(bank, mask): (&Bank, usize)| {
            if mask == 0 { 0 } else { bank.mark(mask, lane).ready }
        };
        let mut marked = banks.zip(masks).map(mark).enumerate();
        let mut full = 0;
        // Usually every bank is full and newly ready.
        let rest = loop {
            match marked.next() {
                Some((_, ALL)) => full += 1,
                rest => break rest,
            }
        };
        let mut ready = usize::MAX.checked_shr((MOST - full) as u32).unwrap_or(0);
        let mut slots = full * SLOTS;
        // Two calls, because a chained iterator would branch for each bank.
        let mut tell = |(index, marked): (usize, usize)| {
            if marked != 0 {
                ready |= 1 << index;
                slots += marked.count_ones() as usize;
            }
        };
        rest.into_iter().for_each(&mut tell);
        marked.for_each(tell);
        (ready, slots)
    }

    /// Marks the live slots of `mask` if the bank still is as it was in `seen`.
    pub(crate) fn try_mark(&self, seen: Snapshot, mask: usize, lane: Lane) -> Option<Marked> {
        let marked = seen.mark(mask, lane);
        self.0
            .compare_exchange(
                seen.word(),
                marked.next.word(),
                Ordering::AcqRel, // as in `transit`: the same word may be a later one
                Ordering::Relaxed, // the caller loads again before it decides anything
            )
            .ok()
            .map(|_| marked)
    }

    /// Claims the lowest slots of `mask` that are ready in `lane`, `most` at most: the caller owns
    /// them.
    #[inline]
    pub(crate) fn claim(&self, mask: usize, lane: Lane, most: usize) -> Option<Claimed> {
        self.transit(|bank| bank.claim(mask, lane, most).map(|claimed| (claimed.next, claimed)))
    }

    /// Whether the caller's slot has been marked since it was claimed. A read-modify-write: a later
    /// mark sees all that the caller did before.
    pub(crate) fn was_marked(&self, slot: usize) -> bool {
        self.change(|bank| (bank, bank.is_pending(slot)))
    }

    /// The slots that are pending or in progress. A read-modify-write: a later mark sees all that
    /// the caller did before.
    pub(crate) fn busy(&self) -> usize {
        self.change(|bank| (bank, bank.busy()))
    }

    /// Ends the caller's ownership of those slots of `mask` that are live.
    #[inline]
    pub(crate) fn release(&self, mask: usize) -> Released {
        self.change(|bank| {
            let released = bank.release(mask);
            (released.next, released)
        })
    }

    /// Ends the caller's ownership of a slot, if it is live, and leaves it pending in `lane`.
    pub(crate) fn requeue(&self, slot: usize, lane: Lane) -> Released {
        self.change(|bank| {
            let released = bank.requeue(slot, lane);
            (released.next, released)
        })
    }

    /// Takes a live slot away from its client; true if the caller owns it now.
    pub(crate) fn vacate(&self, slot: usize) -> bool {
        self.change(|bank| {
            let Vacated { next, owned } = bank.vacate(slot);
            (next, owned)
        })
    }

    /// Makes a held slot vacant.
    pub(crate) fn retire(&self, slot: usize) {
        self.change(|bank| (bank.retire(slot), ()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Banks with so many idle clients each.
    fn banks(clients: impl IntoIterator<Item = usize>) -> Vec<Bank> {
        let bank = |clients| {
            let bank = Bank::with_held(0);
            for slot in 0..clients {
                assert_eq!(bank.reserve(), Some(slot));
                bank.admit(slot, None);
            }
            bank
        };
        clients.into_iter().map(bank).collect()
    }

    fn waiting(banks: &[Bank]) -> usize {
        banks.iter().map(|bank| bank.load().waiting().count_ones() as usize).sum()
    }

    fn mark_all(banks: &[Bank]) -> (usize, usize) {
        Bank::mark_many(banks.iter(), core::iter::repeat(ALL), Lane::Normal)
    }

    #[test]
    fn of_many_banks_it_is_told_which_have_somebody_ready_by_it() {
        let all = banks([SLOTS; 3]);
        assert_eq!(mark_all(&all), (0b111, 3 * SLOTS));
        assert_eq!(mark_all(&all), (0, 0), "who is queued is not ready by it");
        let some = banks([SLOTS, 0, 1, SLOTS]);
        let masks = [0, ALL, ALL, 0b101].into_iter();
        assert_eq!(Bank::mark_many(some.iter(), masks, Lane::Urgent), (0b1100, 3));
        assert_eq!(waiting(&some), 3);
        assert_eq!(mark_all(&some), (0b1101, 1 + 2 * SLOTS), "in this lane");
        assert_eq!(mark_all(&[]), (0, 0));
    }
}
