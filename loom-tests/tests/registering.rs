//! A newcomer and a fan-out that race: the fan-out reaches the newcomer, or the newcomer sees what was
//! true before it. (Register first, then read the state to start from.)

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use model::{Queue, drain, explore};
use pushlane::backlog::{Backlog, Bits, Dirty, Locked, Merge};
use pushlane::{Config, Lane, PushQueue, Silent, Target};

/// `before` prepares the one place there is; `register` puts the newcomer there.
fn a_newcomer_misses_nothing<B>(
    preemptions: usize,
    backlog: fn() -> B,
    request: fn() -> B::Request,
    before: fn(&Queue<B>) -> Option<pushlane::ClientKey>,
) where
    B: Backlog<Request: Send> + Send + Sync + 'static,
    B::Cell: Send + Sync,
{
    explore(preemptions, move || {
        let queue: Arc<Queue<B>> =
            Arc::new(PushQueue::with_parts(Config::new(1), backlog(), Silent));
        let predecessor = before(&queue);
        let state = Arc::new(AtomicUsize::new(0));
        let publisher = thread::spawn({
            let (queue, state) = (Arc::clone(&queue), Arc::clone(&state));
            move || {
                state.store(1, Relaxed);
                queue.publish(Target::Everyone, Lane::Normal, request()).unwrap()
            }
        });
        if let Some(predecessor) = predecessor {
            queue.unregister(predecessor).unwrap();
        }
        queue.register().unwrap();
        let read = state.load(Relaxed);
        let version = publisher.join().unwrap();

        let reached = drain(&queue, |_| ());
        assert!(read == 1 || reached == 1, "neither read nor told");
        assert!(queue.is_converged(version));
    });
}

#[test]
fn a_newcomer_misses_no_mark() {
    a_newcomer_misses_nothing(4, || Dirty, || (), |_| None);
}

#[test]
fn a_newcomer_misses_no_request() {
    a_newcomer_misses_nothing(4, || Bits::<1>, || [1], |_| None);
}

/// The place changes hands between the record and the mark: what was recorded left with the predecessor.
#[test]
fn a_successor_misses_no_request() {
    a_newcomer_misses_nothing(4, || Bits::<1>, || [1], |queue| queue.register().ok());
}

#[derive(Clone)]
struct News;

impl Merge for News {
    fn merge(&mut self, _: &Self) {}
}

#[test]
fn a_successor_misses_no_locked_request() {
    a_newcomer_misses_nothing(4, Locked::new, || News, |queue| queue.register().ok());
}

/// A newcomer that starts with a request gets it, and gets what is published meanwhile.
#[test]
fn a_first_request_merges_with_a_fan_out() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        let state = Arc::new(AtomicUsize::new(0));
        let publisher = thread::spawn({
            let (queue, state) = (Arc::clone(&queue), Arc::clone(&state));
            move || {
                state.store(1, Relaxed);
                queue.publish(Target::Everyone, Lane::Urgent, [2]).unwrap();
            }
        });
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let Some(lease) = queue.try_lease() else { return 0 };
                let [flags] = *lease.request();
                lease.complete();
                flags
            }
        });
        queue.register_with(Lane::Normal, [1]).unwrap();
        let read = state.load(Relaxed);
        publisher.join().unwrap();
        let mut delivered = worker.join().unwrap();
        drain(&queue, |[flags]| delivered += flags);
        assert_eq!(delivered & 1, 1);
        assert!(read == 1 || delivered & 2 == 2);
    });
}

/// Two newcomers, one place.
#[test]
fn a_place_is_given_once() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.register().is_ok()
        });
        let mine = queue.register().is_ok();
        assert!(mine != other.join().unwrap());
        assert_eq!(queue.clients(), 1);
    });
}
