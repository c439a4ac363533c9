//! Tests of `tests/` as modules of the crate itself: one crate to compile and one to link for each
//! mutant.
#![cfg(feature = "stage-tests")]

#[path = "behaviour/main.rs"]
mod behaviour;
#[path = "panics/main.rs"]
mod panics;

// Random ones, in which the same mutant must fail each time: the script gives proptest a seed.
#[cfg(feature = "stage-random")]
#[path = "properties/merging/main.rs"]
mod merging;
#[cfg(feature = "stage-random")]
#[path = "properties/model/main.rs"]
mod model;
