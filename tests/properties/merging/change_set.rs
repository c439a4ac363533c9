//! Merging, its laws, and `ChangeSet`, through the public API only.

use std::collections::BTreeSet;

use proptest::prelude::*;
use pushlane::backlog::merge::{LawViolation, check_laws};
use pushlane::backlog::{ChangeSet, Merge};

fn merged<T: Merge + Clone>(a: &T, b: &T) -> T {
    let mut out = a.clone();
    out.merge(b);
    out
}

/// The last writer wins: the textbook merge that loses an update when publishers race.
#[derive(Clone, PartialEq)]
struct Latest(u32);

impl Merge for Latest {
    fn merge(&mut self, other: &Self) {
        self.0 = other.0;
    }
}

/// Rounded after every step: commutative, but the grouping shows.
#[derive(Clone, PartialEq)]
struct Average(u32);

impl Merge for Average {
    fn merge(&mut self, other: &Self) {
        self.0 = (self.0 + other.0) / 2;
    }
}

/// Counts add up: not idempotent, and lawful all the same.
#[derive(Clone, PartialEq)]
struct Count(u32);

impl Merge for Count {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

#[test]
fn the_checker_names_the_pair_that_does_not_commute() {
    assert_eq!(
        check_laws(&[Latest(7), Latest(7), Latest(8)]),
        Err(LawViolation::NotCommutative { a: 0, b: 2 })
    );
}

#[test]
fn the_checker_names_the_triple_that_does_not_associate() {
    assert_eq!(
        check_laws(&[Average(4), Average(4), Average(8)]),
        Err(LawViolation::NotAssociative { a: 0, b: 0, c: 2 })
    );
}

#[test]
fn the_checker_accepts_counts_although_they_are_not_idempotent() {
    assert_eq!(check_laws(&[Count(0), Count(3), Count(u32::MAX)]), Ok(()));
}

#[test]
fn none_is_the_identity_of_an_optional_request() {
    let some = Some(BTreeSet::from([1]));
    assert_eq!(merged(&None, &some), some);
    assert_eq!(merged(&some, &None), some);
    assert_eq!(merged(&some, &Some(BTreeSet::from([2]))), Some(BTreeSet::from([1, 2])));
}

#[test]
fn empty_means_nothing_and_everything_is_said_explicitly() {
    let nothing = ChangeSet::<u32>::nothing();
    assert!(nothing.is_empty() && !nothing.is_everything() && !nothing.contains(&1));
    assert_eq!(nothing.len(), Some(0));
    assert_eq!(ChangeSet::<u32>::default(), nothing);

    let everything = ChangeSet::<u32>::everything();
    assert!(everything.is_everything() && !everything.is_empty() && everything.contains(&1));
    assert_eq!(everything.len(), None);
    assert!(everything.keys().is_none());
}

#[test]
fn an_empty_set_does_not_swallow_a_full_one() {
    let some = ChangeSet::from([1, 2]);
    assert_eq!(merged(&ChangeSet::nothing(), &some), some);
    assert_eq!(merged(&some, &ChangeSet::nothing()), some);
}

#[test]
fn a_set_holds_its_cap_and_escalates_one_key_later() {
    let mut set = ChangeSet::nothing().with_cap(2);
    set.insert(1);
    set.insert(2);
    set.insert(2);
    assert_eq!(set.keys().unwrap().copied().collect::<Vec<_>>(), [1, 2]);
    set.insert(3);
    assert!(set.is_everything());
}

#[test]
fn a_merge_that_outgrows_the_cap_escalates() {
    let a = ChangeSet::nothing().with_cap(3);
    let mut left = a.clone();
    left.extend([1, 2]);
    let mut right = a;
    right.extend([2, 3]);
    assert_eq!(merged(&left, &right).len(), Some(3));
    right.insert(4);
    assert!(merged(&left, &right).is_everything());
}

#[test]
fn the_tighter_cap_wins_a_merge() {
    let mut wide = ChangeSet::nothing().with_cap(100);
    wide.extend(0..5);
    let tight = ChangeSet::nothing().with_cap(4);
    assert!(merged(&wide, &tight).is_everything());
    assert!(merged(&tight, &wide).is_everything());
}

#[test]
fn a_cap_of_zero_makes_the_first_key_everything() {
    let mut set = ChangeSet::nothing().with_cap(0);
    assert!(set.is_empty());
    set.insert(1);
    assert!(set.is_everything());
}

#[test]
fn lowering_the_cap_below_what_is_held_escalates() {
    assert!(ChangeSet::from([1, 2, 3]).with_cap(2).is_everything());
    assert_eq!(ChangeSet::from([1, 2, 3]).with_cap(3).len(), Some(3));
}

#[test]
fn filtering_keeps_everything_whole() {
    assert!(ChangeSet::<u32>::everything().filtered(|_| false).is_everything());
    assert_eq!(ChangeSet::from([1, 2, 3]).filtered(|k| k % 2 == 1), ChangeSet::from([1, 3]));
}

#[test]
fn a_set_keeps_its_cap_when_keys_go() {
    let set = ChangeSet::from([1, 2, 3]).with_cap(3);
    assert_eq!(set.filtered(|key| *key > 1), ChangeSet::from([2, 3]).with_cap(3));
}

fn any_set() -> impl Strategy<Value = ChangeSet<u8>> {
    let keys = (proptest::collection::vec(0..8u8, 0..6), 0..7usize);
    prop_oneof![
        1 => Just(ChangeSet::everything()),
        8 => keys.prop_map(|(keys, cap)| {
            let mut set = ChangeSet::nothing().with_cap(cap);
            set.extend(keys);
            set
        }),
    ]
}

proptest! {
    #[test]
    fn merging_sets_of_different_caps_is_lawful(sets in proptest::collection::vec(any_set(), 3..6)) {
        prop_assert_eq!(check_laws(&sets), Ok(()));
    }

    #[test]
    fn a_merge_contains_what_either_side_contains(a in any_set(), b in any_set(), key in 0..8u8) {
        let both = merged(&a, &b);
        prop_assert!(both.contains(&key) || !(a.contains(&key) || b.contains(&key)));
        let exact = !both.is_everything();
        prop_assert!(!exact || both.contains(&key) == (a.contains(&key) || b.contains(&key)));
    }

    #[test]
    fn filtering_after_the_merge_never_drops_what_filtering_before_it_kept(
        a in any_set(), b in any_set(), keep in proptest::collection::btree_set(0..8u8, 0..8),
    ) {
        let after = merged(&a, &b).filtered(|k| keep.contains(k));
        let before = merged(&a.filtered(|k| keep.contains(k)), &b.filtered(|k| keep.contains(k)));
        for key in 0..8 {
            prop_assert!(after.contains(&key) || !before.contains(&key));
        }
        if !merged(&a, &b).is_everything() {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn keys_in_any_order_make_the_same_set(keys in proptest::collection::vec(0..9u8, 0..9), cap in 0..7usize) {
        let mut forwards = ChangeSet::nothing().with_cap(cap);
        forwards.extend(keys.iter().copied());
        let mut backwards = ChangeSet::nothing().with_cap(cap);
        backwards.extend(keys.iter().rev().copied());
        prop_assert_eq!(&forwards, &backwards);
        let distinct = keys.iter().collect::<BTreeSet<_>>().len();
        prop_assert_eq!(forwards.is_everything(), distinct > cap);
    }
}
