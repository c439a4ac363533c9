//! Every atomic operation of the sources, weakened one step: which model notices?
//!
//! * `scan`: finds the operations;
//! * `weaken`: what can be weakened about one, all of it compiled into one build;
//! * `trial`: runs the models that reach an operation until one fails;
//! * `record`: verdicts that are known already, so that a run can be stopped and taken up again;
//! * `survivors`: why a mutant that no model notices may be what it is;
//! * `table`: the result.

pub mod record;
pub mod scan;
pub mod survivors;
pub mod table;
pub mod trial;
pub mod weaken;
