//! What serves a queue: executors, threads, and how they wait.
//!
//! The core never blocks and knows no executor, no thread and no clock. Everything here is written over
//! its public face, and is thin: the queue is the only place where work waits.

mod waiting;

pub use waiting::{AsyncQueue, Waiters};
