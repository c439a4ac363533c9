//! A waker that panics: neither the publisher nor the other waiters notice.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Dispatcher};
use pushlane::backlog::{Dirty, Locked, Merge};
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

/// The next merge panics.
static IS_ARMED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Debug)]
struct Flags(u32);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        if IS_ARMED.swap(false, SeqCst) {
            panic_quietly();
        }
        self.0 |= other.0;
    }
}

/// Leases, as an executor does that runs its task in the waker: in a worker of the pool, once.
struct Leases(Arc<AsyncQueue<Locked<Flags>>>, AtomicBool);

impl Wake for Leases {
    fn wake(self: Arc<Self>) {
        let thread = std::thread::current();
        if thread.name() == Some("pushlane-push") && !self.1.swap(true, SeqCst) {
            drop(self.0.try_lease());
        }
    }
}

/// The lease is not the adapter's, so it is not for the adapter to keep.
#[test]
fn a_lease_that_panics_in_a_waker_goes_back() {
    let queue = Arc::new(AsyncQueue::<Locked<Flags>>::new(Config::new(2).permits(2)));
    let [first, second] = [(); 2].map(|()| queue.register().unwrap());
    // In two parts, which the next lease merges.
    queue.publish(second, Lane::Normal, Flags(1)).unwrap();
    let lease = queue.try_lease().unwrap();
    queue.publish(second, Lane::Normal, Flags(2)).unwrap();
    drop(lease);
    queue.set_permits(0);
    queue.publish(first, Lane::Normal, Flags(8)).unwrap();
    let pool = Dispatcher::builder(Arc::clone(&queue)).start_pool(1, |_push| Ok(())).unwrap();
    std::thread::sleep(Duration::from_millis(50)); // the pool waits first
    let waker = Waker::from(Arc::new(Leases(Arc::clone(&queue), AtomicBool::new(false))));
    let mut waiting: Vec<_> = (0..6).map(|_| Box::pin(queue.next())).collect();
    for worker in &mut waiting {
        assert!(worker.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    IS_ARMED.store(true, SeqCst);
    queue.set_permits(2);
    // Leases that these wake-ups were for go on to the pool.
    std::thread::sleep(Duration::from_millis(50));
    drop(waiting);
    let version = queue.publish(Target::Everyone, Lane::Normal, Flags(4)).unwrap();
    let delivered = queue.wait_converged(version, Duration::from_secs(10));
    assert!(delivered.is_ok(), "{delivered:?} {:?}", queue.stats());
    assert!(!IS_ARMED.load(SeqCst), "it has panicked");
    assert!(pool.drain(Duration::from_secs(10)).is_ok());
    assert_eq!(queue.permits_held(), 0);
}
