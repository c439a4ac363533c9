//! The same without a payload, for more clients than one word of the ready set holds: the interrupt comes
//! inside the upkeep of its summary too.

#![no_std]
#![no_main]

use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::storage::Static;
use pushlane_firmware::{Publishers, Trial, board};

pushlane_firmware::panic_to_host!();

/// Sometimes a topic has more members, sometimes fewer: publishes to it are made on demand, and at once.
const SOME: usize = 60;

static TRIAL: Trial<Dirty, Sweep<Static<33, 3, 2>>, 33, 2, 260> = Trial::new(60_000, SOME);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
