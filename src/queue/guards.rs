//! What is still done when user code panics: each guard ends one thing as it is dropped.

use super::PushQueue;
use super::serve::{HandedBack, Serve, Ticket};
use crate::backlog::Backlog;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::Lane;
use crate::storage::Storage;

/// Retires slots of a bank, the others also if a destructor panics for one of them.
pub(super) struct RetireOnDrop<'a, B: Backlog, S: Storage, N: Signal> {
    pub(super) queue: &'a PushQueue<B, S, N>,
    pub(super) bank: usize,
    pub(super) slots: usize,
}

impl<B: Backlog, S: Storage, N: Signal> Drop for RetireOnDrop<'_, B, S, N> {
    fn drop(&mut self) {
        let RetireOnDrop { queue, bank, slots } = *self;
        if slots != 0 {
            let _others = RetireOnDrop { queue, bank, slots: slots & (slots - 1) };
            queue.retire(Place { bank, slot: slots.trailing_zeros() as usize });
        }
    }
}

/// Gives permits back.
pub(super) struct PermitsOnDrop<'a, B: Backlog, S: Storage, N: Signal> {
    pub(super) queue: &'a PushQueue<B, S, N>,
    pub(super) permits: usize,
}

impl<B: Backlog, S: Storage, N: Signal> Drop for PermitsOnDrop<'_, B, S, N> {
    fn drop(&mut self) {
        self.queue.end(0, self.permits);
    }
}

/// Puts a slot back into the queue and its permit into the limiter.
pub(super) struct GiveBackOnDrop<'a, B: Backlog, S: Storage, N: Signal> {
    pub(super) queue: &'a PushQueue<B, S, N>,
    pub(super) place: Place,
    pub(super) lane: Lane,
    pub(super) permits: usize,
}

impl<B: Backlog, S: Storage, N: Signal> Drop for GiveBackOnDrop<'_, B, S, N> {
    fn drop(&mut self) {
        let GiveBackOnDrop { queue, place, lane, permits } = *self;
        let back = queue.give_back(place, lane);
        queue.end(back.ready(), permits);
        if back == HandedBack::Left {
            queue.retire(place);
        }
    }
}

/// User code has panicked while a lease was begun. An adapter may keep the lease and retry later;
/// otherwise it goes back.
pub(super) struct FailedOnDrop<'a, B: Backlog, S: Storage, N: Signal> {
    pub(super) queue: &'a PushQueue<B, S, N>,
    pub(super) ticket: Ticket,
}

impl<B: Backlog, S: Storage, N: Signal> Drop for FailedOnDrop<'_, B, S, N> {
    fn drop(&mut self) {
        let FailedOnDrop { queue, ticket } = *self;
        if !queue.signal.keep_failed(&ticket) {
            Serve::requeue(queue, &ticket, None, true);
        }
    }
}
