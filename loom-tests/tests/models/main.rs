//! The models: loom runs every interleaving of a few threads. They are one program because each
//! program compiles the whole queue again.

mod backlogs;
mod barriers;
mod batches;
mod bounded;
mod closing;
mod convergence;
mod draining;
mod fan_out;
mod fan_out_words;
mod journal;
mod lease_ends_once;
mod loose_cells;
mod model;
mod neighbours;
mod nobody_starves;
mod nothing_lost;
mod one_at_a_time;
mod permits_conserved;
mod publish_each;
mod ready_sets;
mod registering;
mod signals;
mod stale_keys;
mod topics;
mod vacancies;
mod visible;
mod waiting;
