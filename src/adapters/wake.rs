//! Wakers are called after the list of listeners is unlocked.
//!
//! `event-listener` calls wakers under its list's lock. A woken thread takes that lock first, so it
//! would sleep again, which costs more than the rest of a wake-up (docs/performance.md). And a
//! waker is foreign code: it may panic, or use the queue. So the list gets a waker that hands the
//! real one over, to be called when the lock is free. A panic of a waker is caught, because the
//! others must be woken and the queue is in the middle of an operation. The panic hook has reported
//! it by then.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;
use std::task::Wake;

use event_listener::{Event, EventListener, IntoNotification};

/// The listeners that a thread has notified and not yet woken.
#[derive(Default)]
struct HandedOver {
    /// Whether the thread holds the lock of a list, or is about to.
    is_locking: bool,
    wakers: Vec<Arc<HandOver>>,
}

#[cfg(not(loom))]
std::thread_local! {
    static HANDED_OVER: RefCell<HandedOver> =
        const { RefCell::new(HandedOver { is_locking: false, wakers: Vec::new() }) };
}
#[cfg(loom)]
loom::thread_local! {
    static HANDED_OVER: RefCell<HandedOver> = RefCell::default();
}

/// The thread's own, unless the thread is ending.
fn handed_over<T>(with: impl FnOnce(&mut HandedOver) -> T) -> Option<T> {
    // Never borrowed twice: nothing in here runs foreign code.
    HANDED_OVER.try_with(|handed_over| with(&mut handed_over.borrow_mut())).ok()
}

/// Notifies `listeners` more.
pub(super) fn notify(event: &Event, listeners: usize) {
    wake_afterwards(|| {
        event.notify(listeners.additional());
    });
}

/// Runs `locking`, which locks a list, then wakes the listeners that it has notified.
fn wake_afterwards(locking: impl FnOnce()) {
    handed_over(|own| own.is_locking = true);
    locking();
    let wakers = handed_over(|own| {
        own.is_locking = false;
        mem::take(&mut own.wakers)
    });
    let Some(mut wakers) = wakers.filter(|wakers| !wakers.is_empty()) else { return };
    // A waker may notify other listeners, and so come here again.
    wakers.drain(..).for_each(wake);
    // The room is used again.
    handed_over(|own| own.wakers = wakers);
}

/// Waits until `holds`; `event` is notified when that may have changed.
pub(super) async fn until(event: &Event, mut holds: impl FnMut() -> bool) {
    while !holds() {
        let listener = Listener::of(event);
        if holds() {
            return;
        }
        listener.await;
    }
}

fn wake(waker: Arc<HandOver>) {
    // Calls, and maybe drops, the executor's waker.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(move || waker.0.wake_by_ref())) {
        // Its destructor could panic as well.
        mem::forget(panic);
    }
}

/// The waker that a list holds in place of the real one.
struct HandOver(Waker);

impl Wake for HandOver {
    fn wake(self: Arc<Self>) {
        let mut waker = Some(self);
        handed_over(|own| {
            if own.is_locking {
                own.wakers.extend(waker.take());
            }
        });
        // The thread is ending.
        waker.into_iter().for_each(wake);
    }
}

/// An [`EventListener`] that is woken when the list is unlocked.
pub(super) struct Listener {
    /// `None` only while it is dropped.
    listener: Option<EventListener>,
    /// The waker that it was polled with, and the one that the list got.
    wakers: Option<(Waker, Waker)>,
}

impl Listener {
    pub(super) fn of(event: &Event) -> Self {
        Listener { listener: Some(event.listen()), wakers: None }
    }
}

impl Drop for Listener {
    /// Passes on what it was notified of and has not noticed.
    fn drop(&mut self) {
        wake_afterwards(|| drop(self.listener.take()));
    }
}

impl Future for Listener {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Listener { listener, wakers } = &mut *self;
        let Some(listener) = listener else { return Poll::Ready(()) };
        let own = context.waker();
        // Dropped after the list has let go of it, for it must not be dropped under the lock.
        let _before = wakers.take_if(|known| !known.0.will_wake(own));
        let (_, handing_over) = wakers
            .get_or_insert_with(|| (own.clone(), Waker::from(Arc::new(HandOver(own.clone())))));
        Pin::new(listener).poll(&mut Context::from_waker(handing_over))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is called while the list is unlocked: others can listen then.
    struct Called(Arc<Event>, AtomicUsize);

    impl Called {
        fn waker(event: &Arc<Event>) -> (Arc<Called>, Waker) {
            let called = Arc::new(Called(Arc::clone(event), AtomicUsize::new(0)));
            (Arc::clone(&called), Waker::from(called))
        }

        fn times(&self) -> usize {
            self.1.load(Ordering::Relaxed)
        }
    }

    impl Wake for Called {
        fn wake(self: Arc<Self>) {
            // On another thread, because a lock may be one that its holder can take again.
            let event = Arc::clone(&self.0);
            let (send, received) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                drop(event.listen());
                let _ = send.send(());
            });
            let unlocked = received.recv_timeout(core::time::Duration::from_secs(10));
            self.1.fetch_add(usize::from(unlocked.is_ok()), Ordering::Relaxed);
        }
    }

    fn is_ready(listener: &mut Listener, waker: &Waker) -> bool {
        Pin::new(listener).poll(&mut Context::from_waker(waker)).is_ready()
    }

    #[test]
    fn who_is_notified_is_woken_when_the_list_is_unlocked() {
        let event = Arc::new(Event::new());
        let (called, waker) = Called::waker(&event);
        let mut three = [(); 3].map(|()| Listener::of(&event));
        assert!(three.iter_mut().all(|listener| !is_ready(listener, &waker)));
        notify(&event, 2);
        assert_eq!(called.times(), 2);
        let ready = three.each_mut().map(|listener| is_ready(listener, &waker));
        assert_eq!(ready, [true, true, false]);
        notify(&event, 5);
        assert_eq!(called.times(), 3, "nobody twice");
    }

    #[test]
    fn the_others_are_woken_when_a_waker_panics() {
        struct Bomb;

        impl Wake for Bomb {
            fn wake(self: Arc<Self>) {
                std::panic::resume_unwind(alloc::boxed::Box::new("on purpose"));
            }
        }

        let event = Arc::new(Event::new());
        let (called, waker) = Called::waker(&event);
        let bomb = Waker::from(Arc::new(Bomb));
        let mut three = [(); 3].map(|()| Listener::of(&event));
        for (listener, waker) in three.iter_mut().zip([&bomb, &waker, &bomb]) {
            assert!(!is_ready(listener, waker));
        }
        notify(&event, 3);
        assert_eq!(called.times(), 1);
        // The last one passes its notification on.
        let mut last = Listener::of(&event);
        assert!(!is_ready(&mut last, &bomb));
        drop(three);
        assert!(is_ready(&mut last, &bomb));
    }

    #[test]
    fn the_last_waker_is_called() {
        let event = Arc::new(Event::new());
        let [(before, old), (after, new)] = [(); 2].map(|()| Called::waker(&event));
        let mut listener = Listener::of(&event);
        assert!(!is_ready(&mut listener, &old) && !is_ready(&mut listener, &new));
        notify(&event, 1);
        assert_eq!((before.times(), after.times()), (0, 1));
    }

    /// A waker that publishes, as that of an executor which runs the task at once.
    #[test]
    fn a_waker_may_notify_others() {
        struct Chain(Event, AtomicUsize);

        impl Wake for Chain {
            fn wake(self: Arc<Self>) {
                self.1.fetch_add(1, Ordering::Relaxed);
                notify(&self.0, 1);
            }
        }

        let chain = Arc::new(Chain(Event::new(), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&chain));
        let mut listeners = [(); 4].map(|()| Listener::of(&chain.0));
        assert!(listeners.iter_mut().all(|listener| !is_ready(listener, &waker)));
        notify(&chain.0, 1);
        assert_eq!(chain.1.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_listener_that_is_dropped_wakes_the_next() {
        struct Counted(AtomicUsize);

        impl Wake for Counted {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let event = Event::new();
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counted));
        let [mut first, mut second] = [(); 2].map(|()| Listener::of(&event));
        assert!(!is_ready(&mut first, Waker::noop()) && !is_ready(&mut second, &waker));
        notify(&event, 1);
        assert_eq!(counted.0.load(Ordering::Relaxed), 0);
        drop(first);
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        assert!(is_ready(&mut second, &waker));
    }
}
