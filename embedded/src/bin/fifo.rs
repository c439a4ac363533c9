//! The order of arrival without a heap. Not for interrupt handlers, so the main loop does
//! everything.

#![no_std]
#![no_main]

use pushlane::backlog::Bits;
use pushlane::ready::StaticFifo;
use pushlane_firmware::{Publishers, Trial, board};

pushlane_firmware::panic_to_host!();

static TRIAL: Trial<Bits<1>, StaticFifo<4>, 4, 1, 32> = Trial::new(20_000);

#[board::entry]
fn main() -> ! {
    TRIAL.run(Publishers::MainLoop);
    board::exit(true)
}
