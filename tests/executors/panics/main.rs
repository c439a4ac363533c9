//! User code panics wherever an adapter runs it: permits come back, no other client loses anything,
//! and the adapter goes on.

#[allow(dead_code, reason = "shared with the tests of the adapters, which use all of it")]
#[macro_use]
#[path = "../adapters/rig.rs"]
mod rig;

mod adapters;
mod request;
mod wakers;

use pushlane::backlog::{Journal, Locked};

type Load = Journal<Locked<request::Bits>, 4>;

fn request(bits: u32) -> request::Bits {
    request::Bits(bits)
}
