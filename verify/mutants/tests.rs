//! Tests of `tests/` as modules of the crate itself: one crate to compile and one to link for each mutant.
#![cfg(feature = "stage-tests")]

mod batch;
mod convergence;
mod fairness;
mod in_place;
mod istio_cases;
mod istio_gaps;
mod journal;
mod limits;
mod meanwhile;
mod own_backlog;
mod panics;
mod shared_merge;
mod signal;

// Random ones, in which the same mutant must fail each time: the script gives proptest a seed.
#[cfg(feature = "stage-random")]
mod change_set;
#[cfg(feature = "stage-random")]
mod mesh;
#[cfg(feature = "stage-random")]
#[path = "model/main.rs"]
mod model;
