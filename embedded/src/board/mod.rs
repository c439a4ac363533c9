//! The boards: a timer that interrupts once after a given time, and the way out.

#![allow(unsafe_code)]

use core::cell::Cell;

use critical_section::Mutex;

pub(crate) use stack::Stack;

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "riscv32")]
mod riscv32;
mod stack;

#[cfg(target_arch = "arm")]
use cortex_m as chip;
#[cfg(target_arch = "riscv32")]
use riscv32 as chip;

pub use chip::entry;
pub use semihosting::{print, println};

/// Called by the interrupt with the address of the instruction it came before.
pub type Handler = fn(usize);

static HANDLER: Mutex<Cell<Option<Handler>>> = Mutex::new(Cell::new(None));

/// Lets the timer's interrupts reach `handler`.
pub fn start(handler: Handler) {
    critical_section::with(|cs| HANDLER.borrow(cs).set(Some(handler)));
    chip::start();
}

/// One interrupt, `ticks` from now, unless `disarm` comes first.
pub fn arm(ticks: u32) {
    chip::arm(ticks);
}

/// No interrupt until `arm`.
pub(crate) fn disarm() {
    chip::disarm();
}

/// What every chip's interrupt does. It is armed again only by the handler or the main loop.
fn interrupted(at: usize) {
    chip::disarm();
    if let Some(handler) = critical_section::with(|cs| HANDLER.borrow(cs).get()) {
        handler(at);
    }
}

/// Ends the emulator.
pub fn exit(passed: bool) -> ! {
    semihosting::process::exit(if passed { 0 } else { 1 })
}

/// The panic handler of firmware that reports to the host. (Firmware that is measured has its own.)
#[macro_export]
macro_rules! panic_to_host {
    () => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::board::println!("{info}");
            $crate::board::exit(false)
        }
    };
}
