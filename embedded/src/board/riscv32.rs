//! RISC-V: the machine timer of QEMU's `virt`.

use riscv::interrupt::Interrupt;
use riscv::register::{mepc, mie};

pub use riscv_rt::entry;

/// The timer's two registers of 64 bits, in the core-local interruptor.
const TIME: *mut u32 = 0x0200_bff8 as *mut u32;
const COMPARE: *mut u32 = 0x0200_4000 as *mut u32;

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn machine_timer() {
    super::interrupted(mepc::read());
}

fn now() -> u32 {
    // SAFETY: a register of the machine; reading it has no effect.
    unsafe { TIME.read_volatile() }
}

fn set_compare(high: u32, low: u32) {
    // SAFETY: a register of the machine, and its only effect is the timer's interrupt.
    unsafe { COMPARE.wrapping_add(1).write_volatile(high) };
    // SAFETY: the same register's lower half.
    unsafe { COMPARE.write_volatile(low) };
}

pub(super) fn start() {
    disarm();
    // SAFETY: the handler is there, and nothing relies on its absence.
    unsafe { mie::set_mtimer() };
    // SAFETY: as above; the queue needs no interrupt to be masked.
    unsafe { riscv::interrupt::enable() };
}

/// The run is over long before the lower half wraps (429 s of the machine's time at 10 MHz).
pub(super) fn arm(ticks: u32) {
    set_compare(0, now() + ticks);
}

pub(super) fn disarm() {
    set_compare(u32::MAX, u32::MAX);
}
