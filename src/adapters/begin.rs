//! Beginning a lease, and surviving user code that panics in it: a merge or a clone of requests.

use alloc::boxed::Box;
use core::any::Any;
use core::cell::Cell;
use core::future::Future;
use core::ops::Deref;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::catch_unwind;

use super::builder::shielded;
use super::waiting::Waiters;
use crate::lease::Lease;
use crate::queue::{Serve, Ticket};

/// What has become of a lease whose beginning has panicked, on this thread.
#[derive(Clone, Copy)]
enum Failed {
    /// Nothing keeps it: it goes back into the queue.
    Unawaited,
    /// [`poll_caught`] would keep it, if it is of the queue with this signal.
    Awaited(*const Waiters),
    Kept(Ticket),
}

std::thread_local! {
    static FAILED: Cell<Failed> = const { Cell::new(Failed::Unawaited) };
}

/// What has panicked, and the lease that had begun by then.
pub(super) type BeginFailed<Q> = (Box<dyn Any + Send>, Option<Lease<Q>>);

/// Polls [`next`], and survives user code that panics in it: a merge or a clone of requests.
pub(super) fn poll_caught<Q>(
    queue: &Q,
    next: Pin<&mut impl Future<Output = Option<Lease<Q>>>>,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Lease<Q>>, BeginFailed<Q>>>
where
    Q: Deref<Target: Serve<Signal = Waiters>> + Clone,
{
    let before = FAILED.replace(Failed::Awaited(queue.as_queue().signal()));
    let polled = catch_unwind(AssertUnwindSafe(|| next.poll(context)));
    let lease = match FAILED.replace(before) {
        Failed::Kept(ticket) => Some(Lease::without_request(queue.clone(), ticket)),
        _ => None,
    };
    match polled {
        Ok(polled) => {
            // One that was kept all the same was a waker's, whose panic has been caught.
            shielded(|| drop(lease));
            polled.map(Ok)
        }
        Err(panic) => Poll::Ready(Err((panic, lease))),
    }
}

/// True if [`poll_caught`] runs on this thread, for this queue: it keeps the lease.
pub(super) fn keep_failed(signal: &Waiters, ticket: &Ticket) -> bool {
    let is_awaited = matches!(FAILED.get(), Failed::Awaited(of) if core::ptr::eq(of, signal));
    if is_awaited {
        FAILED.set(Failed::Kept(*ticket));
    }
    is_awaited
}
