//! What the firmware needs of a backlog: to speak of its requests as flags.

use pushlane::backlog::{Bits, ConstBacklog, Dirty};

pub trait Flags: ConstBacklog {
    /// How many flags there are.
    const FLAGS: u32;

    fn request(flags: u32) -> Self::Request;

    fn flags(payload: &Self::Payload) -> u32;
}

impl Flags for Bits<1> {
    const FLAGS: u32 = 32;

    fn request(flags: u32) -> [u32; 1] {
        [flags]
    }

    fn flags(&[flags]: &[u32; 1]) -> u32 {
        flags
    }
}

/// The one flag is "out of date".
impl Flags for Dirty {
    const FLAGS: u32 = 1;

    fn request(_flags: u32) {}

    fn flags((): &()) -> u32 {
        1
    }
}
