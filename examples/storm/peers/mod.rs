//! The two designs that a control plane had before, as good as each allows.
//!
//! The benchmarks compile these files too (`benches/peers`), and know some functions that the
//! simulation doesn't need.

pub mod limiter;
pub mod locks;
pub(crate) mod merge;
pub(crate) mod merge_queue;
pub mod walk;
