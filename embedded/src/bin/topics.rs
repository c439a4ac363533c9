//! No payload, for few clients in one group of banks: a publish to everyone is made on demand, and
//! the interrupt often comes where its fan-out begins or ends.

#![no_std]
#![no_main]

use pushlane::backlog::Dirty;
use pushlane_firmware::{Publishers, Sweeping, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Dirty, Sweeping<1>, 4, 1, 32> = Trial::new(100_000);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
