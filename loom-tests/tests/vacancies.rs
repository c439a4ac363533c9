//! Vacant places: each is given once, and found without a scan once nothing is under way.

mod model;

use std::sync::Arc;

use model::{explore, on, race};
use pushlane::inside::Places;

/// The thread that takes the last place takes the bank out of the set. A place that becomes vacant at
/// the same time puts it in.
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
