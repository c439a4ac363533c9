//! The timer's interrupt publishes flags into every operation of the main loop, for 32 clients.

#![no_std]
#![no_main]

use pushlane::backlog::Bits;
use pushlane_firmware::{Publishers, Sweeping, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Bits<1>, Sweeping<1>, 4, 1, 32> = Trial::new(100_000);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
