//! How a queue notifies its workers that there is something to do.

use crate::queue::Ticket;

/// Notified by a queue when there is work, or when work has ended.
///
/// The core never blocks and knows no executor: it calls this, and an adapter turns it into a
/// wake-up. A signal is a hint to look, not a token: a worker may find that another one was faster.
///
/// No wake-up is lost: if a client can be served, a permit is free and no worker is about to look,
/// then `ready` has been called since.
///
/// Implementations must not block and must not panic. They may use the queue: no lock is held when
/// they are called. A publish that is made here calls `ready` again, and so may a lease when it
/// begins or ends. So don't serve clients here: each one that waits would be a recursion deeper,
/// and many overflow the stack. Wake a worker.
pub trait Signal {
    /// There may be work for up to `leases` more leases. Called at most once for each publish, each
    /// end of a push, each permit that comes back by itself, each growth of the limit, each lease
    /// that uncovers further work, each look for a lease that finds none although there is work,
    /// and each group of clients that a worker marks for a publish to everyone.
    fn ready(&self, leases: usize);

    /// Whether the signal has listeners. If not, the queue skips work that only serves
    /// notification.
    #[inline]
    fn is_heard(&self) -> bool {
        true
    }

    /// A push has completed, or a client has left: convergence may have been reached, or the end of
    /// a drain. Called at most once for each, and for each group of clients that a worker marks for
    /// a publish to everyone.
    #[inline]
    fn progress(&self) {}

    /// A publish may have reached a client whose push is in progress, or a client has left: a
    /// worker may look whether to go on. Called at most once for each publish, after its marks, and
    /// for each client that leaves.
    #[inline]
    fn interrupted(&self) {}

    /// User code has panicked while a lease was begun, which an adapter may keep: true if it does.
    #[doc(hidden)]
    fn keep_failed(&self, _ticket: &Ticket) -> bool {
        false
    }

    /// The queue has been closed. It may be drained already, and from now on any progress may end
    /// it.
    fn closed(&self) {
        self.progress();
    }
}

/// No signal: for a super-loop or a simulation that polls the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSignal;

impl Signal for NoSignal {
    #[inline]
    fn ready(&self, _leases: usize) {}

    #[inline]
    fn is_heard(&self) -> bool {
        false
    }
}
