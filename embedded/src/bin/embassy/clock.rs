//! Embassy's clock: the board's interrupt counts ticks, and wakes the tasks whose time has come.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::task::Waker;

use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

struct Clock {
    /// Enough for a run: 49 days of milliseconds.
    ticks: AtomicU32,
    timers: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(
    static CLOCK: Clock =
        Clock { ticks: AtomicU32::new(0), timers: Mutex::new(RefCell::new(Queue::new())) }
);

/// One tick more. Only the interrupt calls this. Returns their number.
pub(crate) fn tick() -> u32 {
    let ticks = CLOCK.ticks.load(Relaxed) + 1;
    CLOCK.ticks.store(ticks, Relaxed);
    critical_section::with(|cs| {
        // The next tick looks again: no alarm has to be set.
        CLOCK.timers.borrow_ref_mut(cs).next_expiration(ticks.into());
    });
    ticks
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        self.ticks.load(Relaxed).into()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| self.timers.borrow_ref_mut(cs).schedule_wake(at, waker));
    }
}
