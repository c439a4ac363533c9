//! Embassy's clock: the board's interrupt counts ticks, and wakes the tasks whose time has come.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::task::Waker;

use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

pub(crate) struct Clock {
    /// Enough for a run: 49 days of milliseconds.
    ticks: AtomicU32,
    timers: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(
    pub(crate) static CLOCK: Clock =
        Clock { ticks: AtomicU32::new(0), timers: Mutex::new(RefCell::new(Queue::new())) }
);

impl Clock {
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks.load(Relaxed)
    }

    /// Called by the interrupt alone.
    pub(crate) fn tick(&self) {
        self.ticks.store(self.ticks() + 1, Relaxed);
        critical_section::with(|cs| {
            // The next tick looks again: no alarm has to be set.
            self.timers.borrow_ref_mut(cs).next_expiration(self.now());
        });
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        self.ticks().into()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| self.timers.borrow_ref_mut(cs).schedule_wake(at, waker));
    }
}
