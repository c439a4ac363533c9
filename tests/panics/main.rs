//! User code panics wherever it runs: permits come back, no other client loses anything, and the
//! queue goes on.

mod backlogs;
