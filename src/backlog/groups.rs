//! What the clients of one bank have pending, those together that have the same.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Merge;
use super::shared::Merged;
use crate::slot::SLOTS;

/// A mask of slots.
type Mask = u16;

const _: () = assert!(SLOTS <= Mask::BITS as usize);

/// Groups of slots, each with the request that is pending for all of them.
///
/// The first `len` places are in use. Their masks are not empty and have no slot in common, so
/// there are never more groups than slots. Two groups may have the same request.
#[repr(C)] // the masks beside the first requests, so that one cache line has all that is read
pub(super) struct Groups<R> {
    len: u8,
    masks: [Mask; SLOTS],
    requests: [Option<Arc<R>>; SLOTS],
    /// What leases gave back for slots that had something pending: not merged, because a merge may
    /// panic. At most one for a slot. Nearly always empty.
    restored: Vec<(u8, Arc<R>)>,
}

impl<R> Groups<R> {
    pub(super) const fn new() -> Self {
        Groups {
            len: 0,
            masks: [0; SLOTS],
            requests: [const { None }; SLOTS],
            restored: Vec::new(),
        }
    }

    /// Puts back what a lease of the slot took.
    pub(super) fn restore(&mut self, slot: usize, request: Arc<R>) {
        if self.find(slot).is_some() {
            self.restored.push((slot as u8, request));
        } else {
            self.join(1 << slot, &request);
        }
    }

    /// What was put back for a slot beside what is pending.
    #[inline]
    pub(super) fn restored(&self, slot: usize) -> Option<Arc<R>> {
        let of = |(of, _): &&(u8, Arc<R>)| usize::from(*of) == slot;
        self.restored.iter().find(of).map(|(_, request)| Arc::clone(request))
    }

    pub(super) fn forget_restored(&mut self, slot: usize) -> Option<Arc<R>> {
        let at = self.restored.iter().position(|(of, _)| usize::from(*of) == slot)?;
        Some(self.restored.swap_remove(at).1)
    }

    /// How many there are. The comparison changes nothing; it spares each index its check.
    #[inline]
    fn len(&self) -> usize {
        usize::from(self.len).min(SLOTS)
    }

    /// What is pending for a slot, which has nothing pending from now on.
    #[inline]
    pub(super) fn take(&mut self, slot: usize) -> Option<Arc<R>> {
        let group = self.find(slot)?;
        self.leave(group, slot).or_else(|| self.requests[group].clone())
    }

    /// As `take`, for a caller that drops what is pending: the request, if it was pending for no
    /// other slot.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Arc<R>> {
        let group = self.find(slot)?;
        self.leave(group, slot)
    }

    #[inline]
    fn find(&self, slot: usize) -> Option<usize> {
        self.masks[..self.len()].iter().position(|mask| mask >> slot & 1 != 0)
    }

    /// Takes a slot out of its group. If it was the last one, the group's request.
    #[inline]
    fn leave(&mut self, group: usize, slot: usize) -> Option<Arc<R>> {
        self.masks[group] &= !(1 << slot);
        if self.masks[group] != 0 {
            return None;
        }
        let request = self.requests[group].take();
        let last = self.len() - 1;
        self.len = last as u8;
        if group < last {
            self.masks[group] = self.masks[last];
            self.requests[group] = self.requests[last].take();
        }
        request
    }

    /// Gives slots that are in no group a request.
    #[inline]
    fn join(&mut self, slots: Mask, request: &Arc<R>) {
        let len = self.len();
        let same =
            |there: &Option<Arc<R>>| there.as_ref().is_some_and(|it| Arc::ptr_eq(it, request));
        match self.requests[..len].iter().position(same) {
            Some(group) => self.masks[group] |= slots,
            None => self.add(slots, request),
        }
    }

    #[inline]
    fn add(&mut self, slots: Mask, request: &Arc<R>) {
        let len = self.len();
        self.masks[len] = slots;
        self.requests[len] = Some(Arc::clone(request));
        self.len = len as u8 + 1;
    }

    /// Gives slots a request, if nothing is pending for any slot of the bank.
    #[inline]
    pub(super) fn begin(&mut self, slots: usize, request: &Arc<R>) -> bool {
        let empty = self.len == 0;
        if empty {
            self.add(slots as Mask, request);
        }
        empty
    }
}

impl<R: Merge + Clone> Groups<R> {
    /// Merges the request into what is pending for the slots of `rest`, and takes those that are
    /// done out of it: all of them, or as far as one merge goes that is not remembered in `last`.
    /// No destructor of a request runs in here; what would be dropped, the merge remembered before,
    /// is returned.
    #[inline(never)] // beside `begin`
    pub(super) fn record(
        &mut self,
        rest: &mut usize,
        request: &Arc<R>,
        last: &mut Option<Merged<R>>,
    ) -> Option<Merged<R>> {
        let (mut outdated, mut computed) = (None, false);
        let mut slots = *rest as Mask;
        // A group that is split off is behind these, and done.
        for group in 0..self.len() {
            let met = self.masks[group] & slots;
            let Some(pending) = self.requests[group].as_ref().filter(|_| met != 0) else {
                continue;
            };
            let both = match last {
                Some(merged) if Arc::ptr_eq(&merged.pending, pending) => &merged.both,
                _ if computed => {
                    *rest = slots.into();
                    return outdated;
                }
                _ => {
                    // If this panics, nothing has been done to this group and those behind it.
                    let merged = Merged::new(pending, request);
                    computed = true;
                    outdated = last.take();
                    &last.insert(merged).both
                }
            };
            slots &= !met;
            if self.masks[group] == met {
                // What was pending is not dropped by this: `last` has it too.
                self.requests[group] = Some(Arc::clone(both));
            } else {
                self.masks[group] &= !met;
                self.join(met, both);
            }
        }
        if slots != 0 {
            self.join(slots, request);
        }
        *rest = 0;
        outdated
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The sum of what was merged. The merge with 666 panics.
    #[derive(Clone, Debug, PartialEq)]
    struct Sum(u32);

    impl Merge for Sum {
        fn merge(&mut self, other: &Self) {
            assert_ne!(other.0, 666, "as the test wants it");
            self.0 += other.0;
        }
    }

    /// The groups, each a mask and a sum, as they lie.
    fn seen(groups: &Groups<Sum>) -> Vec<(Mask, u32)> {
        let all = groups.masks.iter().zip(&groups.requests);
        let used: Vec<_> =
            all.filter_map(|(&mask, request)| Some((mask, request.as_ref()?.0))).collect();
        assert_eq!(used.len(), groups.len(), "compact, and nothing is kept beyond");
        let together = used.iter().fold(0, |all, (mask, _)| {
            assert!(*mask != 0 && all & mask == 0, "neither empty nor in two groups: {used:?}");
            all | mask
        });
        assert_eq!(together.count_ones(), used.iter().map(|(mask, _)| mask.count_ones()).sum());
        used
    }

    /// Records as a publish does; how many times the lock would have been taken.
    fn record(groups: &mut Groups<Sum>, slots: usize, sum: u32) -> usize {
        record_again(groups, slots, &Arc::new(Sum(sum)), &mut None)
    }

    fn record_again(
        groups: &mut Groups<Sum>,
        slots: usize,
        request: &Arc<Sum>,
        last: &mut Option<Merged<Sum>>,
    ) -> usize {
        let (mut rest, mut locks) = (slots, 0);
        while rest != 0 {
            drop(groups.record(&mut rest, request, last));
            locks += 1;
        }
        locks
    }

    fn of(groups: &[(usize, u32)]) -> Groups<Sum> {
        let mut made = Groups::new();
        for &(slots, sum) in groups {
            record(&mut made, slots, sum);
        }
        assert_eq!(made.len(), groups.len());
        made
    }

    #[test]
    fn a_bank_in_one_state_is_one_group() {
        let mut groups = Groups::new();
        for publish in 1..4 {
            assert_eq!(record(&mut groups, 0xff, 1), 1);
            assert_eq!(seen(&groups), [(0xff, publish)]);
        }
    }

    #[test]
    fn a_group_is_split_where_a_publish_ends() {
        let mut groups = of(&[(0b1111, 1)]);
        assert_eq!(record(&mut groups, 0b0110, 10), 1);
        assert_eq!(seen(&groups), [(0b1001, 1), (0b0110, 11)]);
        assert_eq!(record(&mut groups, 0b1111_0100, 20), 1);
        assert_eq!(seen(&groups), [(0b1001, 1), (0b0010, 11), (0b0100, 31), (0b1111_0000, 20)]);
    }

    #[test]
    fn slots_that_get_the_same_are_joined() {
        let request = Arc::new(Sum(1));
        let mut groups = of(&[(0b1000, 7)]);
        for slots in [0b0001, 0b0010, 0b0100] {
            record_again(&mut groups, slots, &request, &mut None);
        }
        assert_eq!(seen(&groups), [(0b1000, 7), (0b0111, 1)]);
    }

    #[test]
    fn one_merge_is_computed_under_a_lock() {
        let mut groups = of(&[(0b0001, 1), (0b0010, 2), (0b0100, 3)]);
        assert_eq!(record(&mut groups, 0b1111, 10), 3);
        assert_eq!(seen(&groups), [(0b0001, 11), (0b0010, 12), (0b0100, 13), (0b1000, 10)]);
    }

    #[test]
    fn the_last_merge_is_used_again_in_another_bank() {
        let pending = Arc::new(Sum(1));
        let mut banks = [Groups::new(), Groups::new()];
        for groups in &mut banks {
            record_again(groups, 0b11, &pending, &mut None);
        }
        let (request, mut last) = (Arc::new(Sum(10)), None);
        for groups in &mut banks {
            record_again(groups, 0b11, &request, &mut last);
        }
        let [first, second] = banks.map(|mut groups| groups.take(0).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*first, Sum(11));
        assert_eq!(*pending, Sum(1));
    }

    #[test]
    fn the_last_slot_takes_the_request_itself() {
        let mut groups = of(&[(0b0101, 1), (0b0010, 2), (0b1000, 3)]);
        let first = groups.take(0).unwrap();
        assert_eq!((first.0, Arc::strong_count(&first)), (1, 2));
        assert_eq!(seen(&groups), [(0b0100, 1), (0b0010, 2), (0b1000, 3)]);
        assert!(groups.take(0).is_none(), "taken already");
        let second = groups.take(2).unwrap();
        assert!(Arc::ptr_eq(&first, &second) && Arc::strong_count(&first) == 2);
        assert_eq!(seen(&groups), [(0b1000, 3), (0b0010, 2)]);
        assert_eq!(groups.take(1).unwrap().0, 2);
        assert_eq!(groups.take(3).unwrap().0, 3);
        assert_eq!(seen(&groups), []);
    }

    #[test]
    fn removing_a_slot_leaves_the_others_what_they_have() {
        let mut groups = of(&[(0b0011, 1)]);
        assert!(groups.remove(0).is_none(), "still pending for the other one");
        assert_eq!(seen(&groups), [(0b0010, 1)]);
        assert_eq!(groups.remove(1), Some(Arc::new(Sum(1))));
        assert!(groups.remove(1).is_none());
        assert_eq!(seen(&groups), []);
    }

    #[test]
    fn there_is_room_for_a_group_for_every_slot() {
        let mut groups = Groups::new();
        record(&mut groups, crate::slot::ALL, 1);
        for slot in 0..SLOTS {
            record(&mut groups, 1 << slot, 10 * (slot as u32 + 1));
        }
        assert_eq!(seen(&groups).len(), SLOTS);
        record(&mut groups, crate::slot::ALL, 1_000);
        for slot in 0..SLOTS {
            assert_eq!(groups.take(slot).unwrap().0, 1_001 + 10 * (slot as u32 + 1));
        }
    }

    #[test]
    fn a_merge_that_panics_changes_nothing() {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        for slots in [0b0001, 0b0011, 0b1101] {
            let mut groups = of(&[(0b0011, 1)]);
            let panicked = catch_unwind(AssertUnwindSafe(|| record(&mut groups, slots, 666)));
            assert!(panicked.is_err());
            assert_eq!(seen(&groups), [(0b0011, 1)]);
        }
    }

    /// Against one request a slot.
    #[test]
    fn each_slot_gets_what_it_would_get_alone() {
        let mut alone = [None; SLOTS];
        let mut groups: Groups<Sum> = Groups::new();
        let mut random = 0x2545_f491_u32;
        let mut draw = || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as usize
        };
        for round in 0..10_000_u32 {
            let slot = draw() % SLOTS;
            match draw() % 4 {
                0 => assert_eq!(groups.take(slot).map(|sum| sum.0), alone[slot].take()),
                1 => {
                    groups.remove(slot);
                    alone[slot] = None;
                }
                _ => {
                    let slots = draw() & draw() & crate::slot::ALL;
                    let sum = 1_000 + round;
                    record(&mut groups, slots, sum);
                    for slot in crate::slot::slots(slots) {
                        *alone[slot].get_or_insert(0) += sum;
                    }
                }
            }
            seen(&groups);
        }
    }
}
