//! The same without a payload, for more clients than one word of the ready set holds: the interrupt
//! comes inside the upkeep of its summary too.

#![no_std]
#![no_main]

use pushlane::backlog::Dirty;
use pushlane_firmware::{Publishers, Sweeping, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Dirty, Sweeping<2>, 33, 2, 260> = Trial::new(60_000);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
