//! The contract of a ready set (`pop` removes, then the caller looks), and the turn that makes it fair.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use model::{Bell, Queue, drain, explore, lease_or_sleep};
use pushlane::backlog::Dirty;
use pushlane::ready::{Fifo, Sweep, WithBanks};
use pushlane::{Config, Lane, PushQueue, Target};

/// What was true before an insert is seen by a pop, or the bank is still in the set: also if the bank was
/// in it already when it was inserted.
fn a_pop_answers_the_inserts_before_it<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let set = Arc::new(R::with_banks(1));
        let marks = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let inserter = thread::spawn({
            let (set, marks) = (Arc::clone(&set), Arc::clone(&marks));
            move || {
                marks[0].store(1, Relaxed);
                set.insert(0);
            }
        });
        let popper = thread::spawn({
            let (set, marks) = (Arc::clone(&set), Arc::clone(&marks));
            move || set.pop().map(|_| [marks[0].load(Relaxed), marks[1].load(Relaxed)])
        });
        marks[1].store(1, Relaxed);
        set.insert(0);

        inserter.join().unwrap();
        let seen = popper.join().unwrap();
        if set.is_empty() {
            assert_eq!(seen, Some([1, 1]));
        } else {
            assert_eq!(set.pop(), Some(0));
        }
    });
}

#[test]
fn a_pop_of_sweep_answers_the_inserts_before_it() {
    a_pop_answers_the_inserts_before_it::<Sweep>();
}

#[test]
fn a_pop_of_fifo_answers_the_inserts_before_it() {
    a_pop_answers_the_inserts_before_it::<Fifo>();
}

/// Two banks, two poppers: each bank comes out once.
fn a_bank_comes_out_once<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let set = Arc::new(R::with_banks(2));
        set.insert_many(0, 0b11);
        let popper = thread::spawn({
            let set = Arc::clone(&set);
            move || set.pop()
        });
        let mut popped =
            [set.pop(), popper.join().unwrap(), set.pop()].map(|bank| bank.into_iter());
        let mut popped: Vec<_> = popped.iter_mut().flatten().collect();
        popped.sort();
        assert_eq!(popped, [0, 1]);
        assert!(set.is_empty());
    });
}

#[test]
fn a_bank_comes_out_of_sweep_once() {
    a_bank_comes_out_once::<Sweep>();
}

#[test]
fn a_bank_comes_out_of_fifo_once() {
    a_bank_comes_out_once::<Fifo>();
}

/// While one worker holds the popped bank, the other one finds it nowhere. It must be told of what the
/// first uncovers: two clients of one bank, each for a worker that keeps it.
fn the_slots_of_a_popped_bank_are_found<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let queue: Arc<Queue<Dirty, R, Bell>> =
            Arc::new(PushQueue::with_parts(Config::new(2), Dirty, Bell::default()));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || lease_or_sleep(&queue)
        });
        let mine = lease_or_sleep(&queue);
        let other = worker.join().unwrap();
        assert_ne!(other.key(), mine.key());
        assert!(queue.try_lease().is_none());
    });
}

#[test]
fn the_slots_of_a_popped_bank_are_found_by_another_worker() {
    the_slots_of_a_popped_bank_are_found::<Sweep>();
}

#[test]
fn the_slots_of_a_popped_bank_are_found_in_order_of_arrival() {
    the_slots_of_a_popped_bank_are_found::<Fifo>();
}

/// What a turn's bit stands for is seen by whoever takes it: the mark came through another worker.
#[test]
fn a_turn_shows_the_marks_it_was_made_of() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(2)));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        let news = Arc::new(AtomicUsize::new(0));
        let workers = [(); 2].map(|()| {
            let (queue, news) = (Arc::clone(&queue), Arc::clone(&news));
            thread::spawn(move || {
                if let Some(lease) = queue.try_lease() {
                    assert_eq!(news.load(Relaxed), 1);
                    lease.complete();
                    return 1;
                }
                0
            })
        });
        news.store(1, Relaxed);
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let served: usize = workers.map(|worker| worker.join().unwrap()).iter().sum();
        assert_eq!(served + drain(&queue, |()| ()), 2);
    });
}
