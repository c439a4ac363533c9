//! Cortex-M: SysTick.

use core::arch::global_asm;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};

pub use cortex_m_rt::entry;

// The handler proper gets the frame that the processor pushed when it took the interrupt: the
// runtime's attribute would not hand it over.
global_asm!(
    ".section .text.SysTick, \"ax\"",
    ".global SysTick",
    ".type SysTick, %function",
    ".thumb_func",
    "SysTick:",
    "mov r0, sp",
    "ldr r1, ={handler}",
    "bx r1",
    ".pool",
    handler = sym systick,
);

/// r0–r3, r12, lr, pc, xpsr.
type Frame = [usize; 8];

extern "C" fn systick(frame: &Frame) {
    super::interrupted(frame[6]);
}

fn timer() -> SYST {
    // SAFETY: only this file touches SysTick, and on one core an interrupt that re-arms it half-way
    // through `arm` is one that `arm` is about to replace anyway.
    unsafe { Peripherals::steal() }.SYST
}

pub(super) fn start() {
    let mut timer = timer();
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(1);
    timer.clear_current();
    timer.enable_interrupt();
}

pub(super) fn arm(ticks: u32) {
    let mut timer = timer();
    timer.set_reload(ticks);
    timer.clear_current();
    timer.enable_counter();
}

pub(super) fn disarm() {
    timer().disable_counter();
    SCB::clear_pendst();
}
