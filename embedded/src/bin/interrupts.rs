//! The timer's interrupt publishes flags into every operation of the main loop, for 32 clients.

#![no_std]
#![no_main]

use pushlane::backlog::Bits;
use pushlane::ready::Sweep;
use pushlane::storage::Static;
use pushlane_firmware::{Publishers, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Bits<1>, Sweep<Static<4, 3, 1>>, 4, 1, 32> = Trial::new(100_000, 0);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
