//! What the queue does, one subject a module, through the public API only.

mod batch;
mod client_map;
mod convergence;
mod fairness;
mod in_place;
mod istio_cases;
mod istio_gaps;
mod journal;
mod limits;
mod meanwhile;
mod own_backlog;
mod publish_each;
mod shared_merge;
mod signal;
mod stats;
mod subscriptions;
mod tracking;
mod waiting;
