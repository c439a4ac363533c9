//! `cargo bench -p pushlane-bench`: the scenarios alone, under criterion's command line.
//!
//! The report (`cargo run --release -p pushlane-bench -- report`) runs the same, and reads the
//! results.

use criterion::Criterion;
use pushlane_bench::scenarios::{ALL, Plan};

fn main() {
    let mut criterion =
        Criterion::default().without_plots().nresamples(5_000).configure_from_args();
    for (_, run) in ALL {
        run(&mut criterion, Plan::FULL);
    }
    criterion.final_summary();
}
