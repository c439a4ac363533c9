//! A waker that panics: neither the publisher nor the other waiters notice.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};

use crate::request::panic_quietly;

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic_quietly();
    }
}

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn all_others_are_woken() {
    let queue = AsyncQueue::<Dirty>::new(Config::new(10));
    for _ in 0..10 {
        queue.register().unwrap();
    }
    let (counts, panics) = (Arc::<Counts>::default(), Waker::from(Arc::new(Panics)));
    let counting = Waker::from(Arc::clone(&counts));
    let mut workers: Vec<_> = (0..10).map(|_| Box::pin(queue.next())).collect();
    for (turn, worker) in workers.iter_mut().enumerate() {
        let waker = if turn % 2 == 0 { &panics } else { &counting };
        assert!(worker.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    assert_eq!(counts.0.load(SeqCst), 5);
    let mut converged = [(); 2].map(|()| Box::pin(queue.converged(version)));
    for (waiter, waker) in converged.iter_mut().zip([&panics, &counting]) {
        assert!(waiter.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    // A worker that gives up passes its wake-up on, to one whose waker panics.
    let mut late = pin!(queue.next());
    drop(workers);
    while let Some(lease) = queue.try_lease() {
        lease.complete();
    }
    assert!(late.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    assert_eq!(counts.0.load(SeqCst), 5 + 1, "the other one that waits for convergence");
    assert!(queue.is_converged(version));
}
