//! Every nibble under every transition, on every slot, with neighbours in every state.

use super::*;

/// A bank in which `slot` has the given bits and every other slot has the bits of `neighbour`.
fn bank(slot: usize, nibble: usize, neighbour: usize) -> Snapshot {
    let mut word = 0;
    for other in 0..SLOTS {
        let bits = if other == slot { nibble } else { neighbour };
        for (plane, shift) in [(1, URGENT), (2, NORMAL), (4, ACTIVE), (8, LIVE)] {
            if bits & plane != 0 {
                word |= 1 << (other + shift);
            }
        }
    }
    Snapshot(word)
}

const URGENT_BIT: usize = 1;
const NORMAL_BIT: usize = 2;
const PENDING: usize = 3;
const ACTIVE_BIT: usize = 4;
const LIVE_BIT: usize = 8;

/// The nibbles that occur: marks are made only on live slots.
fn legal() -> impl Iterator<Item = usize> {
    (0..16).filter(|nibble| nibble & LIVE_BIT != 0 || nibble & PENDING == 0)
}

/// Runs `check` for every slot, every legal nibble of it, and every legal nibble of its neighbours.
fn everywhere(check: impl Fn(usize, usize, usize, Snapshot)) {
    for slot in 0..SLOTS {
        for nibble in legal() {
            for neighbour in legal() {
                check(slot, nibble, neighbour, bank(slot, nibble, neighbour));
            }
        }
    }
}

fn lane_bit(lane: Lane) -> usize {
    match lane {
        Lane::Urgent => URGENT_BIT,
        Lane::Normal => NORMAL_BIT,
    }
}

const LANES: [Lane; 2] = [Lane::Urgent, Lane::Normal];

#[test]
fn the_planes_fill_the_word_without_overlap() {
    assert_eq!(LIVE + SLOTS, usize::BITS as usize);
    assert_eq!(bank(0, 15, 15).word(), usize::MAX);
}

#[test]
fn masks_are_those_of_the_table() {
    everywhere(|slot, nibble, _, bank| {
        assert_eq!(bank.in_progress() >> slot & 1 != 0, nibble & 12 == 12);
        assert_eq!(bank.is_pending(slot), nibble & PENDING != 0);
        assert_eq!(bank.busy() >> slot & 1 != 0, nibble & LIVE_BIT != 0 && nibble & 7 != 0);
        assert_eq!(bank.vacant() >> slot & 1 != 0, nibble & 12 == 0);
    });
}

#[test]
fn mark_adds_the_lane_to_live_slots_and_reports_the_newly_ready() {
    everywhere(|slot, nibble, neighbour, before| {
        for lane in LANES {
            let live = nibble & LIVE_BIT != 0;
            let after = if live { nibble | lane_bit(lane) } else { nibble };
            let marked = before.mark(1 << slot, lane);
            assert_eq!(marked.next, bank(slot, after, neighbour));
            assert_eq!(marked.marked, (live as usize) << slot);
            let newly = live && nibble & (ACTIVE_BIT | lane_bit(lane)) == 0;
            assert_eq!(marked.ready, (newly as usize) << slot);
        }
    });
}

#[test]
fn mark_of_a_whole_bank_is_the_mark_of_each_slot() {
    everywhere(|_, _, _, before| {
        for lane in LANES {
            let whole = before.mark(ALL, lane);
            let (mut next, mut ready, mut marked) = (before, 0, 0);
            for slot in 0..SLOTS {
                let one = next.mark(1 << slot, lane);
                next = one.next;
                ready |= one.ready;
                marked |= one.marked;
            }
            assert_eq!(whole, Marked { next, marked, ready });
        }
    });
}

#[test]
fn claim_takes_all_that_is_pending_of_a_ready_slot_and_nothing_else() {
    everywhere(|slot, nibble, neighbour, before| {
        for lane in LANES {
            let ready = nibble & lane_bit(lane) != 0 && nibble & ACTIVE_BIT == 0;
            let Some(claimed) = before.claim(1 << slot, lane, SLOTS) else {
                assert!(!ready);
                continue;
            };
            assert!(ready);
            assert_eq!(claimed.next, bank(slot, LIVE_BIT | ACTIVE_BIT, neighbour));
            assert_eq!((claimed.slots, claimed.rest), (1 << slot, 0));
            let urgent = nibble & URGENT_BIT != 0;
            assert_eq!(claimed.lane(slot), if urgent { Lane::Urgent } else { Lane::Normal });
        }
    });
}

#[test]
fn claim_picks_the_lowest_of_the_mask_and_names_the_rest() {
    let queued = bank(0, LIVE_BIT | NORMAL_BIT, LIVE_BIT | NORMAL_BIT);
    let mask = 0b1010_0100;
    for (most, slots) in [(1, 0b100), (2, 0b10_0100), (3, mask), (SLOTS, mask)] {
        let claimed = queued.claim(mask, Lane::Normal, most).expect("ready");
        assert_eq!((claimed.slots, claimed.rest), (slots, mask & !slots));
        assert_eq!(claimed.next.ready(Lane::Normal), ALL & !slots, "the others are as they were");
    }
}

/// Both lanes' bits go, also of slots that are claimed through the other one.
#[test]
fn claim_of_many_is_the_claim_of_each() {
    everywhere(|_, _, _, before| {
        for lane in LANES {
            let mut rest = before;
            let mut urgent = 0;
            while let Some(claimed) = rest.claim(ALL, lane, 1) {
                rest = claimed.next;
                urgent |= claimed.urgent;
            }
            match before.claim(ALL, lane, SLOTS) {
                Some(claimed) => {
                    assert_eq!((claimed.next, claimed.rest, claimed.urgent), (rest, 0, urgent));
                    assert_eq!(claimed.slots, before.ready(lane));
                }
                None => assert_eq!(rest, before),
            }
        }
    });
}

#[test]
fn release_of_many_is_the_release_of_each() {
    everywhere(|_, _, _, before| {
        let owned = before.active();
        let (mut next, mut leaving, mut urgent, mut normal) = (before, 0, 0, 0);
        for slot in slots(owned) {
            let released = next.release(1 << slot);
            next = released.next;
            leaving |= released.leaving;
            urgent |= released.urgent;
            normal |= released.normal;
        }
        assert_eq!(before.release(owned), Released { next, leaving, urgent, normal });
    });
}

/// What becomes of a slot that is let go of with these bits.
fn released(slot: usize, nibble: usize, neighbour: usize) -> Released {
    let of = |bit: usize| usize::from(nibble & bit != 0) << slot;
    if nibble & LIVE_BIT == 0 {
        let next = bank(slot, nibble, neighbour);
        return Released { next, leaving: 1 << slot, urgent: 0, normal: 0 };
    }
    let next = bank(slot, nibble & !ACTIVE_BIT, neighbour);
    Released { next, leaving: 0, urgent: of(URGENT_BIT), normal: of(NORMAL_BIT) }
}

#[test]
fn release_frees_a_live_slot_and_leaves_a_departed_one_to_its_owner() {
    everywhere(|slot, nibble, neighbour, before| {
        if nibble & ACTIVE_BIT == 0 {
            return;
        }
        assert_eq!(before.release(1 << slot), released(slot, nibble, neighbour));
    });
}

#[test]
fn requeue_marks_and_frees_in_one_step() {
    everywhere(|slot, nibble, neighbour, before| {
        if nibble & ACTIVE_BIT == 0 {
            return;
        }
        for lane in LANES {
            let live = nibble & LIVE_BIT != 0;
            let after = if live { nibble | lane_bit(lane) } else { nibble };
            assert_eq!(before.requeue(slot, lane), released(slot, after, neighbour));
        }
    });
}

#[test]
fn reserve_admit_vacate_retire_lead_from_vacant_to_vacant() {
    everywhere(|slot, nibble, neighbour, before| {
        if let Some((next, reserved)) = before.reserve() {
            assert_eq!(reserved, before.vacant().trailing_zeros() as usize);
            assert_eq!(next, Snapshot(before.word() | 1 << (reserved + ACTIVE)));
        } else {
            assert_eq!(before.vacant(), 0);
        }
        if nibble == ACTIVE_BIT {
            assert_eq!(before.admit(slot, None), bank(slot, LIVE_BIT, neighbour));
            for lane in LANES {
                let queued = bank(slot, LIVE_BIT | lane_bit(lane), neighbour);
                assert_eq!(before.admit(slot, Some(lane)), queued);
            }
            assert_eq!(before.retire(slot), bank(slot, 0, neighbour));
        }
        if nibble & LIVE_BIT != 0 {
            let vacated = before.vacate(slot);
            assert_eq!(vacated.next, bank(slot, ACTIVE_BIT, neighbour));
            assert_eq!(vacated.owned, nibble & ACTIVE_BIT == 0);
        }
    });
}

#[test]
fn slots_of_a_mask_come_lowest_first() {
    assert!(slots(0b1001_0010).eq([1, 4, 7]));
    assert_eq!(slots(0).count(), 0);
    assert_eq!(slots(ALL).count(), SLOTS);
}

#[test]
fn slots_beyond_the_capacity_are_the_last_ones() {
    assert_eq!(beyond(0, SLOTS), 0);
    assert_eq!(beyond(0, SLOTS - 1), 1 << (SLOTS - 1));
    assert_eq!(beyond(1, SLOTS + 3), ALL & !0b111);
    assert_eq!(beyond(2, SLOTS + 3), ALL);
    let held = Snapshot::VACANT.hold(beyond(0, 3));
    assert_eq!(held.vacant(), 0b111);
    assert_eq!(held.busy(), 0);
}

#[test]
fn a_marked_slot_waits() {
    let bank =
        Snapshot::VACANT.admit(1, Some(Lane::Normal)).admit(2, None).admit(3, Some(Lane::Urgent));
    assert_eq!(bank.waiting(), 0b1010);
    let Some(claimed) = bank.claim(ALL, Lane::Urgent, 1) else { panic!("slot 3 is ready") };
    assert_eq!(claimed.next.waiting(), 0b0010);
    assert_eq!(claimed.next.mark(0b1000, Lane::Normal).next.waiting(), 0b1010);
    assert_eq!(bank.vacate(1).next.waiting(), 0b1000);
}
