//! 3. Visible: all that a publisher wrote before `publish` happens-before what the lease holder reads.

mod model;

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use model::{Queue, explore};
use pushlane::backlog::{Backlog, Bits, Dirty, Locked, Merge, Shared};
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, Silent, Target};

/// Without a payload the lease itself is the message: after the last one nothing is unseen.
fn everything_is_seen<R: WithBanks + Send + Sync + 'static>(target: fn(usize) -> bool) {
    explore(2, move || {
        let queue: Arc<Queue<Dirty, R>> =
            Arc::new(PushQueue::with_parts(Config::new(1), Dirty, Silent));
        let client = queue.register().unwrap();
        let news = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let publish = move |queue: &Queue<Dirty, R>, news: &[AtomicUsize; 2], who: usize| {
            news[who].store(1, Relaxed);
            let target = if target(who) { Target::One(client) } else { Target::Everyone };
            queue.publish(target, Lane::Normal, ()).unwrap();
        };
        let worker = thread::spawn({
            let (queue, news) = (Arc::clone(&queue), Arc::clone(&news));
            move || {
                let lease = queue.try_lease()?;
                let seen = [news[0].load(Relaxed), news[1].load(Relaxed)];
                lease.complete();
                Some(seen)
            }
        });
        let publisher = thread::spawn({
            let (queue, news) = (Arc::clone(&queue), Arc::clone(&news));
            move || publish(&queue, &news, 1)
        });
        publish(&queue, &news, 0);

        publisher.join().unwrap();
        let seen = worker.join().unwrap();
        if queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after both publishes");
        }
    });
}

#[test]
fn visible_through_a_mark() {
    everything_is_seen::<Sweep>(|_| true);
}

#[test]
fn visible_through_a_fan_out() {
    everything_is_seen::<Sweep>(|_| false);
}

#[test]
fn visible_in_order_of_arrival() {
    everything_is_seen::<Fifo>(|who| who == 0);
}

/// Who finds a publisher's flag in a request may read what that publisher wrote.
fn what_a_request_stands_for_is_seen<B>(
    backlog: fn() -> B,
    request: fn(u32) -> B::Request,
    flags: fn(&B::Payload) -> u32,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cell: Send + Sync,
{
    struct News([UnsafeCell<u32>; 2]);
    // SAFETY: that the accesses are in order is what the model checks.
    unsafe impl Sync for News {}
    // SAFETY: as above.
    unsafe impl Send for News {}

    explore(2, move || {
        let queue: Arc<Queue<B>> =
            Arc::new(PushQueue::with_parts(Config::new(1), backlog(), Silent));
        let client = queue.register().unwrap();
        let news = Arc::new(News([UnsafeCell::new(0), UnsafeCell::new(0)]));
        let publish = move |queue: &Queue<B>, news: &News, who: usize| {
            // SAFETY: nobody reads it before it is published; loom checks that.
            news.0[who].with_mut(|value| unsafe { *value = 1 });
            queue.publish(Target::One(client), Lane::Normal, request(1 << who)).unwrap();
        };
        let worker = thread::spawn({
            let (queue, news) = (Arc::clone(&queue), Arc::clone(&news));
            move || {
                let Some(lease) = queue.try_lease() else { return };
                for who in (0..2).filter(|who| flags(lease.request()) & (1 << who) != 0) {
                    // SAFETY: as above.
                    assert_eq!(news.0[who].with(|value| unsafe { *value }), 1);
                }
                lease.complete();
            }
        });
        let publisher = thread::spawn({
            let (queue, news) = (Arc::clone(&queue), Arc::clone(&news));
            move || publish(&queue, &news, 1)
        });
        publish(&queue, &news, 0);
        publisher.join().unwrap();
        worker.join().unwrap();
    });
}

#[derive(Clone)]
struct Flags(u32);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

#[test]
fn visible_with_bits() {
    what_a_request_stands_for_is_seen(|| Bits::<1>, |flag| [flag], |[flags]| *flags);
}

#[test]
fn visible_with_locked() {
    what_a_request_stands_for_is_seen(Locked::<Flags>::new, Flags, |flags| flags.0);
}

#[test]
fn visible_with_shared() {
    what_a_request_stands_for_is_seen(
        Shared::<Flags>::new,
        |flag| Arc::new(Flags(flag)),
        |flags| flags.0,
    );
}
