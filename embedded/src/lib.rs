//! `pushlane` on bare metal: one core, no heap, a queue in a `static`, and a timer interrupt that
//! publishes while the main loop is in the middle of an operation on the same queue.

#![no_std]
#![deny(unsafe_code)]

// What differs between the boards,
pub mod board;
// a source of chance,
mod chance;
// what must come out,
mod bell;
mod ledger;
mod whom;
// what is done to the queue, and when the interrupt strikes,
mod moment;
// and the run itself.
mod main_loop;
mod payload;
mod trial;
// And firmware that is only measured.
mod measured;

pub use chance::Chance;
pub use trial::{Publishers, Sweeping, Trial};
