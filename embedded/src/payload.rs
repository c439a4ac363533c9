//! What the firmware needs of a backlog: to speak of its requests as flags.

use pushlane::backlog::{Bits, ConstBacklog, Dirty};

/// A set of flags. Small, because the smallest board must hold an account for each of 260 clients.
pub(crate) type Flags = u16;

pub trait Flagged: ConstBacklog {
    /// How many flags there are.
    const FLAGS: u32;

    fn request(flags: Flags) -> Self::Request;

    fn flags(payload: &Self::Payload) -> Flags;
}

impl Flagged for Bits<1> {
    const FLAGS: u32 = Flags::BITS;

    fn request(flags: Flags) -> [u32; 1] {
        [flags.into()]
    }

    fn flags(&[flags]: &[u32; 1]) -> Flags {
        flags as Flags
    }
}

/// The one flag there is where a publish carries nothing.
const OUT_OF_DATE: Flags = 1;

impl Flagged for Dirty {
    const FLAGS: u32 = 1;

    fn request(_flags: Flags) {}

    fn flags((): &()) -> Flags {
        OUT_OF_DATE
    }
}
