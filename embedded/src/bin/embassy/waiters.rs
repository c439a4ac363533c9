//! The tasks that wait for the queue, as its signal.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;

use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_sync::waitqueue::MultiWakerRegistration;
use pushlane::Signal;

use crate::WORKERS;

/// The interrupt publishes, so it wakes tasks too: for that moment interrupts are off.
struct Waiting<const TASKS: usize>(CriticalSectionMutex<RefCell<MultiWakerRegistration<TASKS>>>);

impl<const TASKS: usize> Waiting<TASKS> {
    const fn new() -> Self {
        Waiting(CriticalSectionMutex::new(RefCell::new(MultiWakerRegistration::new())))
    }

    fn wake(&self) {
        self.0.lock(|tasks| tasks.borrow_mut().wake());
    }

    /// Registers before each look: what happens after the look wakes the task.
    async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| {
            self.0.lock(|tasks| tasks.borrow_mut().register(context.waker()));
            look().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

pub(crate) struct Waiters {
    ready: Waiting<WORKERS>,
    progress: Waiting<1>,
}

impl Waiters {
    pub(crate) const fn new() -> Self {
        Waiters { ready: Waiting::new(), progress: Waiting::new() }
    }

    pub(crate) async fn until_ready<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        self.ready.until(look).await
    }

    pub(crate) async fn until_progress<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        self.progress.until(look).await
    }
}

impl Signal for Waiters {
    fn ready(&self, _leases: usize) {
        self.ready.wake();
    }

    fn progress(&self) {
        self.progress.wake();
    }
}
