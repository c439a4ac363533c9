//! The executor of a thread that has nothing else to do.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};
use std::time::Instant;

/// Blocks the thread until the future is done, or until a moment; never, if there is none.
pub(super) fn block_on_until<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    let (parker, unparker) = parking::pair();
    let (mut future, waker) = (pin!(future), unparker.into());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        // Returns at once if the waker was called meanwhile.
        match until {
            None => parker.park(),
            Some(until) if Instant::now() >= until => return None,
            Some(until) => drop(parker.park_deadline(until)),
        }
    }
}
