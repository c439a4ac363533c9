//! User code panics wherever it runs: permits and places come back, no other client loses anything,
//! and the queue goes on.

mod backlogs;
mod destructors;
mod leasing;
mod reentrancy;
mod rig;
