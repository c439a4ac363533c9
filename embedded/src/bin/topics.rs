//! No payload, and every publish to one topic made on demand, for few clients in one group of banks: so the
//! interrupt often comes where a fan-out begins or ends.

#![no_std]
#![no_main]

use pushlane::backlog::Dirty;
use pushlane::ready::Sweep;
use pushlane::storage::Static;
use pushlane_firmware::{Publishers, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Dirty, Sweep<Static<4, 3, 1>>, 4, 1, 32> = Trial::new(100_000, 0);

#[board::entry]
fn main() -> ! {
    board::start(|at| TRIAL.interrupt(at));
    TRIAL.run(Publishers::Interrupt);
    board::exit(true)
}
