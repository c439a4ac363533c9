//! Vacant places: each is given once, and found without a scan once nothing is under way.

use std::sync::Arc;

use crate::model::{explore, on, race};
use pushlane::loom_internals::Places;

/// The thread that takes the last place takes the bank out of the set. A place that becomes vacant
/// at the same time puts it in.
#[test]
fn a_vacancy_is_in_the_set_in_the_end() {
    explore(3, || {
        let places = Arc::new(Places::new(2));
        assert_eq!(places.reserve(), Some(0));
        let (taken, ()) =
            race((on(&places, |places| places.reserve()), on(&places, |places| places.vacate(0))));
        assert!(taken.is_some(), "one was vacant all the time");
        assert_eq!(places.vacancy(), (true, true));
        assert!(places.reserve().is_some());
        assert_eq!((places.vacancy(), places.reserve()), ((false, false), None));
    });
}

/// Two clients register and one leaves: a vacancy is found, whichever thread removes the bank.
#[test]
fn a_permit_comes_with_a_place() {
    explore(2, || {
        let places = Arc::new(Places::new(2));
        assert_eq!(places.reserve(), Some(0));
        let (one, other, ()) = race((
            on(&places, |places| places.reserve()),
            on(&places, |places| places.reserve()),
            on(&places, |places| places.vacate(0)),
        ));
        assert!(one.is_some() || other.is_some());
        assert!(one != other, "given once");
        // A place that is taken again before its bank is put into the set leaves a full bank there,
        // which costs the next search a step.
        let (is_vacant, is_in_set) = places.vacancy();
        assert_eq!(is_vacant, one.is_none() || other.is_none());
        assert!(is_in_set || !is_vacant);
    });
}
