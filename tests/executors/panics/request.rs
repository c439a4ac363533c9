//! A request whose code panics, if its bits say so.

use std::panic::resume_unwind;

use pushlane::backlog::{Everything, Merge};

pub(crate) const MERGE: u32 = 1 << 29;
pub(crate) const CLONE: u32 = 1 << 30;
pub(crate) const DROP: u32 = 1 << 31;

#[derive(Debug, PartialEq)]
pub(crate) struct Bits(pub(crate) u32);

impl Bits {
    fn panics_if(&self, bit: u32) {
        if self.0 & bit != 0 && !std::thread::panicking() {
            panic_quietly();
        }
    }
}

impl Merge for Bits {
    fn merge(&mut self, other: &Self) {
        self.panics_if(MERGE);
        other.panics_if(MERGE);
        self.0 |= other.0;
    }
}

impl Clone for Bits {
    fn clone(&self) -> Self {
        self.panics_if(CLONE);
        Bits(self.0)
    }
}

impl Everything for Bits {
    fn everything() -> Self {
        Bits(!(MERGE | CLONE | DROP))
    }
}

impl Drop for Bits {
    fn drop(&mut self) {
        self.panics_if(DROP);
    }
}

/// Unwinds without the hook that would print a message into the test's output.
pub(crate) fn panic_quietly() -> ! {
    resume_unwind(Box::new("on purpose"))
}
