//! What the adapters promise, written once, over threads, tokio, and one future on any executor.

#[macro_use]
mod rig;

mod async_waiting;
mod attempts;
mod behaviour;
mod embassy;
mod endings;
mod only_pool;
mod only_tokio;
mod pacing;
mod spacing;

use pushlane::backlog::{Backlog, Bits};

type Load = Bits<1>;

fn request(bits: u32) -> <Load as Backlog>::Request {
    [bits]
}
