//! Marks of whole banks: made by publishers, carried down by whoever comes to a bank.

use super::PushQueue;
use super::publish::Fresh;
use crate::backlog::Backlog;
use crate::fan_out::GROUP;
use crate::ready::ReadySet;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, SLOTS, Snapshot};
use crate::storage::Storage;
use crate::topics::LANES;
use crate::whole::worth;

impl<B: Backlog, S: Storage, R: ReadySet, N: Signal> PushQueue<B, S, R, N> {
    /// A bank as it is once its marks have been carried down.
    #[inline]
    pub(super) fn look(&self, bank: usize) -> Snapshot {
        // The marks first: those that are not found are in the bank by now.
        let marks = if S::ON_HEAP { self.whole.marks(bank) } else { [false; 2] };
        let word = self.banks()[bank].load();
        let marked = LANES.into_iter().zip(marks).filter(|(_, marked)| *marked);
        marked.fold(word, |word, (lane, _)| word.mark(ALL, lane).next)
    }

    /// Before a bank's slots are claimed, or a newcomer becomes live there whom its marks don't concern. `popped`, if the
    /// caller is about to serve those of a lane that are ready.
    #[inline]
    pub(super) fn carry_down(&self, bank: usize, popped: Option<Lane>) {
        if S::ON_HEAP && !B::RECORDS && self.whole.marks(bank) != [false; 2] {
            self.carry_down_now(bank, popped);
        }
    }

    #[cold]
    fn carry_down_now(&self, bank: usize, popped: Option<Lane>) {
        for lane in LANES {
            if !self.whole.begin(bank, lane) {
                continue;
            }
            let ready = self.banks()[bank].mark(ALL, lane).ready;
            if ready != 0 && popped != Some(lane) {
                // The publisher has put the bank there, or will. But somebody may have found it there meanwhile, and nobody
                // ready in it.
                self.line(lane).set.insert(bank);
                self.signal.ready(ready.count_ones() as usize);
            }
            self.whole.end(bank, lane);
        }
    }

    /// Whether the caller's slot has been marked since it was claimed, or may have been.
    pub(super) fn was_marked(&self, bank: usize, slot: usize) -> bool {
        // The marks first: see `look`.
        (self.whole.marks(bank) != [false; 2]) | self.banks()[bank].was_marked(slot)
    }

    /// Marks as a whole those of neighbouring banks, one group's at most, in which everybody is concerned, if there are enough
    /// of them. `masks` says who is. The answer has their bits, from the first of these banks on.
    pub(super) fn mark_whole(
        &self,
        first: usize,
        masks: impl ExactSizeIterator<Item = usize>,
        fresh: &mut Fresh<'_, B, S, R, N>,
    ) -> usize {
        if !S::ON_HEAP || B::RECORDS || !self.whole.is_possible() {
            return 0;
        }
        let neighbours = masks.len();
        // Who becomes live after this may be marked as well.
        let mut whole = self.banks().within(first, masks);
        let banks = whole.count_ones() as usize;
        if banks < worth() {
            return 0;
        }
        let mut index = 0;
        while index < neighbours {
            let (block, at) = ((first + index) / SLOTS, (first + index) % SLOTS);
            let banks = (whole >> index & ALL) << at & ALL;
            if banks != 0 {
                let carried = self.whole.mark(block, banks, fresh.lane);
                whole &= !(carried >> at << index);
            }
            index += SLOTS - at;
        }
        // Perhaps not as many are ready: it is a hint.
        fresh.add_group(first - first % GROUP, whole << (first % GROUP), banks * SLOTS);
        whole
    }
}
