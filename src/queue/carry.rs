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

    /// Whether the caller's slot has been marked since it was claimed, or may have been. Whoever marks it later by its bank's
    /// word sees all that the caller did before; whoever marks the whole bank may not.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::backlog::{Bits, Dirty};
    use crate::config::Config;
    use crate::queue::Target;
    use crate::topics::{Scope, Topic};

    const TOPIC: Topic = Topic(0);
    const SCOPES: [Scope<'static>; 2] = [Scope::any(&[TOPIC]), Scope::any(&[TOPIC, Topic(1)])];

    /// So many full banks, whose clients are all members.
    fn full<B: Backlog + Default>(banks: usize) -> PushQueue<B> {
        let config = Config::new(banks * SLOTS).topics(2).permits(usize::MAX);
        let queue = PushQueue::<B>::new(config.on_demand_from(usize::MAX));
        for _ in 0..queue.capacity() {
            let client = queue.register().expect("there is room");
            queue.subscribe(client, TOPIC).expect("it stays");
        }
        queue
    }

    fn publish(queue: &PushQueue<Dirty>, scope: Scope<'_>, lane: Lane) {
        assert!(queue.publish(Target::Topics(scope), lane, ()).is_ok());
    }

    /// Which banks are marked as a whole in one lane only.
    fn whole<B: Backlog>(queue: &PushQueue<B>, lane: Lane) -> Vec<bool> {
        let marked = LANES.map(|of| of == lane);
        let of = |bank| queue.whole.marks(bank);
        let banks = 0..queue.banks().len();
        assert!(banks.clone().all(|bank| of(bank) == marked || of(bank) == [false; 2]));
        banks.map(|bank| of(bank) == marked).collect()
    }

    #[test]
    fn full_banks_are_marked_as_a_whole_where_that_is_worth_while() {
        for (banks, of_one, of_two) in
            [(7, 0, 0), (8, 8, 8), (23, 23, 16), (70, 64, 64), (75, 75, 72)]
        {
            for (scope, marked) in SCOPES.into_iter().zip([of_one, of_two]) {
                for lane in LANES {
                    let queue = full::<Dirty>(banks);
                    publish(&queue, scope, lane);
                    let expected: Vec<_> = (0..banks).map(|bank| bank < marked).collect();
                    assert_eq!(whole(&queue, lane), expected, "{banks}");
                    assert_eq!(queue.waiting(), banks * SLOTS);
                    assert!((0..banks).all(|bank| queue.banks()[bank].load().waiting() == 0 || bank >= marked));
                }
            }
        }
    }

    #[test]
    fn who_serves_a_bank_carries_its_mark_down_and_no_other() {
        let queue = full::<Dirty>(20);
        publish(&queue, SCOPES[0], Lane::Normal);
        let lease = queue.try_lease().expect("all are ready");
        let bank = lease.key().place().bank;
        let expected: Vec<_> = (0..20).map(|of| of != bank).collect();
        assert_eq!(whole(&queue, Lane::Normal), expected);
        assert_eq!(queue.banks()[bank].load().waiting().count_ones() as usize, SLOTS - 1);
    }

    #[test]
    fn a_bank_that_somebody_carries_to_is_marked_by_its_word() {
        const BANKS: usize = 40;
        for (scope, lane) in SCOPES.into_iter().flat_map(|scope| LANES.map(|lane| (scope, lane))) {
            let queue = full::<Dirty>(BANKS);
            publish(&queue, scope, lane);
            let carried = [13, 21];
            for bank in carried {
                assert!(queue.whole.begin(bank, lane) && !queue.whole.begin(bank, lane));
                assert_eq!(queue.look(bank).waiting(), ALL, "carried, and not there yet");
            }
            publish(&queue, scope, lane);
            for bank in carried {
                assert_eq!(queue.banks()[bank].load().waiting(), ALL);
                assert_eq!(queue.banks()[bank + 1].load().waiting(), 0);
                queue.whole.end(bank, lane);
            }
            let expected: Vec<_> = (0..BANKS).map(|bank| !carried.contains(&bank)).collect();
            assert_eq!(whole(&queue, lane), expected);
        }
    }

    #[test]
    fn who_is_made_ready_is_put_into_the_set_but_not_by_who_has_popped_the_bank() {
        let queue = full::<Dirty>(8);
        let is_empty = || LANES.map(|lane| queue.line(lane).is_empty());
        assert_eq!(queue.whole.mark(0, 0b1, Lane::Normal), 0);
        queue.carry_down(0, Some(Lane::Normal));
        assert_eq!(queue.banks()[0].load().ready(Lane::Normal), ALL);
        assert_eq!(is_empty(), [true, true]);
        // They are ready already.
        assert_eq!(queue.whole.mark(0, 0b1, Lane::Normal), 0);
        queue.carry_down(0, None);
        assert_eq!(is_empty(), [true, true]);
        assert_eq!(queue.whole.mark(0, 0b1, Lane::Urgent), 0);
        queue.carry_down(0, Some(Lane::Normal));
        assert_eq!(is_empty(), [false, true]);
    }

    #[test]
    fn where_requests_are_recorded_no_bank_is_marked_as_a_whole() {
        let queue = full::<Bits<1>>(10);
        assert!(!queue.whole.is_possible());
        assert!(queue.publish(Target::Topics(SCOPES[0]), Lane::Normal, [1]).is_ok());
        assert!((0..10).all(|bank| queue.banks()[bank].load().waiting() == ALL));
    }
}
