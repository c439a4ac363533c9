//! 3. Visible: all that a publisher wrote before `publish` happens-before what the lease holder
//!    reads.

use std::sync::Arc;

use crate::model::{Queue, explore, on, pause, race};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::{Backlog, Bits, Dirty, Locked, Merge, Shared};
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, Target};

/// A queue, and what two publishers have to say.
struct Told<R: WithBanks> {
    queue: Queue<Dirty, R>,
    news: [AtomicUsize; 2],
}

impl<R: WithBanks> Told<R> {
    fn publish(&self, who: usize, target: Target<'_>) {
        self.news[who].store(1, Relaxed);
        self.queue.publish(target, Lane::Normal, ()).unwrap();
    }

    fn push(&self) -> Option<[usize; 2]> {
        let lease = self.queue.try_lease()?;
        let seen = [0, 1].map(|who| self.news[who].load(Relaxed));
        pause();
        lease.complete();
        Some(seen)
    }
}

/// Without a payload the lease itself is the message: after the last lease nothing is unseen.
fn everything_is_seen<R: WithBanks + Send + Sync + 'static>(
    targets: fn(ClientKey) -> [Target<'static>; 2],
) {
    explore(2, move || {
        let queue = PushQueue::with_parts(Config::new(1), Dirty, NoSignal);
        let [first, second] = targets(queue.register().unwrap());
        let news = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let told = Arc::new(Told::<R> { queue, news });
        let (_, _, seen) = race((
            on(&told, move |told| told.publish(0, first)),
            on(&told, move |told| told.publish(1, second)),
            on(&told, |told| told.push()),
        ));
        if told.queue.try_lease().is_none() {
            assert_eq!(seen, Some([1, 1]), "the last lease began after both publishes");
        }
    });
}

#[test]
fn visible_through_a_mark() {
    everything_is_seen::<Sweep>(|client| [Target::One(client); 2]);
}

#[test]
fn visible_in_order_of_arrival() {
    everything_is_seen::<Fifo>(|client| [Target::One(client); 2]);
}

/// A lease holder that finds a publisher's flag in a request may read what that publisher wrote.
fn what_a_request_stands_for_is_seen<B>(
    backlog: fn() -> B,
    request: fn(u32) -> B::Request,
    flags: fn(&B::Payload) -> u32,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    struct Noted<B: Backlog> {
        queue: Queue<B>,
        notes: [UnsafeCell<u32>; 2],
    }

    impl<B: Backlog> Noted<B> {
        fn publish(&self, who: usize, client: ClientKey, request: B::Request) {
            // SAFETY: nobody reads it before it is published; loom checks that.
            self.notes[who].with_mut(|note| unsafe { *note = 1 });
            assert!(self.queue.publish(Target::One(client), Lane::Normal, request).is_ok());
        }
    }

    explore(2, move || {
        let queue = PushQueue::with_parts(Config::new(1), backlog(), NoSignal);
        let client = queue.register().unwrap();
        let notes = [UnsafeCell::new(0), UnsafeCell::new(0)];
        let noted = Arc::new(Noted { queue, notes });
        race((
            on(&noted, move |noted| noted.publish(0, client, request(1))),
            on(&noted, move |noted| noted.publish(1, client, request(2))),
            on(&noted, move |noted| {
                let Some(lease) = noted.queue.try_lease() else { return };
                for who in (0..2).filter(|who| flags(lease.request()) & (1 << who) != 0) {
                    // SAFETY: as above.
                    assert_eq!(noted.notes[who].with(|note| unsafe { *note }), 1);
                }
                lease.complete();
            }),
        ));
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
