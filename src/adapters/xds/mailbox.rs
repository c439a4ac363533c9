//! What a stream is told from outside: leases, a review, and that it is to end.

use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::state::PushLease;

/// Why a stream is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The transport has dropped its end.
    Left,
    /// The control plane ends it.
    Disconnected,
    /// The connection has reached its age.
    Closing,
    /// The server is being stopped.
    Stopped,
}

/// All that has come since the stream last looked.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// The first lease is kept in place: most streams have one at a time, and memory apart would be
    /// one more cache miss for the dispatcher and for the stream.
    first: Option<PushLease>,
    more: Vec<PushLease>,
    /// The stream may belong to another view.
    pub(super) review: bool,
    /// The first notice stays.
    pub(super) end: Option<Notice>,
}

impl Letters {
    fn is_empty(&self) -> bool {
        self.first.is_none() && !self.review && self.end.is_none()
    }

    pub(super) fn next_lease(&mut self) -> Option<PushLease> {
        let first = self.first.take()?;
        self.first = self.more.pop();
        Some(first)
    }
}

#[derive(Default)]
struct State {
    letters: Letters,
    reader: Option<Waker>,
    closed: bool,
}

/// One for each stream. Bounded by itself: each of the stream's types has at most one lease.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<State>);

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is a type's turn. After the stream has ended, the lease ends here.
    pub(super) fn lease(&self, lease: PushLease) {
        let mut state = self.lock();
        if state.closed {
            // The lease takes other locks when it ends.
            drop(state);
            return drop(lease);
        }
        if state.letters.first.is_none() {
            state.letters.first = Some(lease);
        } else {
            state.letters.more.push(lease);
        }
        wake(state);
    }

    pub(super) fn review(&self) {
        let mut state = self.lock();
        state.letters.review = true;
        wake(state);
    }

    /// The stream is to end. False: it has ended.
    pub(super) fn end(&self, notice: Notice) -> bool {
        let mut state = self.lock();
        let open = !state.closed;
        state.letters.end.get_or_insert(notice);
        wake(state);
        open
    }

    /// All that has come since the last time, once there is something. `letters` is empty.
    pub(super) fn poll(&self, letters: &mut Letters, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.letters.is_empty() {
            if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                state.reader = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        core::mem::swap(&mut state.letters, letters);
        Poll::Ready(())
    }

    /// The stream has ended: what is and will be in here ends.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        (state.reader, state.letters.review) = (None, false);
        let letters = core::mem::take(&mut state.letters);
        drop(state);
        drop(letters);
    }
}

/// Wakes the stream, after the lock is released.
fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_newest_reader_is_woken_and_sees_the_first_notice() {
        let (mailbox, mut letters) = (Mailbox::default(), Letters::default());
        let (old, new) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        for woken in [&old, &new] {
            let waker = Waker::from(Arc::clone(woken));
            assert!(mailbox.poll(&mut letters, &mut Context::from_waker(&waker)).is_pending());
        }
        assert!(mailbox.end(Notice::Left));
        assert_eq!((old.0.load(Relaxed), new.0.load(Relaxed)), (0, 1));
        assert!(mailbox.end(Notice::Stopped));
        mailbox.review();
        let mut context = Context::from_waker(Waker::noop());
        assert!(mailbox.poll(&mut letters, &mut context).is_ready());
        assert_eq!((letters.end, letters.review), (Some(Notice::Left), true));
        letters = Letters::default();
        assert!(mailbox.poll(&mut letters, &mut context).is_pending());
    }

    #[test]
    fn a_stream_that_has_ended_is_not_ended() {
        let mailbox = Mailbox::default();
        mailbox.close();
        assert!(!mailbox.end(Notice::Disconnected));
    }
}
