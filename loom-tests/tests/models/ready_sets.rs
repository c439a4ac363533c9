//! The contract of a ready set (`pop` removes, then the caller looks), and the turn that makes it
//! fair.

use std::sync::Arc;

use crate::model::{Bell, Queue, drain, explore, lease_or_sleep, on, pause, quick_or, race};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::{Bits, Dirty};
use pushlane::ready::{Fifo, Popped, ReadySet, Sweep, WithBanks};
use pushlane::{Config, Lane, NoSignal, PushQueue, Target};

/// A set, and what each of two threads wrote before it inserted.
struct Marked<R> {
    set: R,
    marks: [AtomicUsize; 2],
}

impl<R: WithBanks> Marked<R> {
    fn insert(&self, who: usize) {
        self.marks[who].store(1, Relaxed);
        self.set.insert(0);
    }
}

/// What was true before an insert is seen by a pop, or the bank is still in the set: also if the
/// bank was in it already when it was inserted.
fn a_pop_answers_the_inserts_before_it<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let marks = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let marked = Arc::new(Marked { set: R::with_banks(1), marks });
        let (_, _, seen) = race((
            on(&marked, |marked| marked.insert(0)),
            on(&marked, |marked| marked.insert(1)),
            on(&marked, |marked| {
                marked.set.pop()?;
                Some([0, 1].map(|who| marked.marks[who].load(Relaxed)))
            }),
        ));
        if marked.set.is_empty() {
            assert_eq!(seen, Some([1, 1]));
        } else {
            assert_eq!(marked.set.pop().map(|popped| popped.bank), Some(0));
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
        let (one, other) = race((on(&set, |set| set.pop()), on(&set, |set| set.pop())));
        let rest = set.pop();
        let mut popped: Vec<_> =
            [one, other, rest].into_iter().flatten().map(|popped| popped.bank).collect();
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

/// Two inserts at once are two banks, also for `is_empty`.
fn two_inserts_are_two_banks<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let set = Arc::new(R::with_banks(2));
        race((on(&set, |set| set.insert(0)), on(&set, |set| set.insert(1))));
        for _ in 0..2 {
            assert!(!set.is_empty());
            set.pop().unwrap();
        }
        assert!(set.is_empty() && set.pop().is_none());
    });
}

#[test]
fn two_inserts_are_two_banks_of_sweep() {
    two_inserts_are_two_banks::<Sweep>();
}

#[test]
fn two_inserts_are_two_banks_of_fifo() {
    two_inserts_are_two_banks::<Fifo>();
}

/// Banks of the second word, which only the summary finds.
const FAR: usize = usize::BITS as usize;

/// A thread that has inserted finds the bank, or another one has it, or hid it and will signal.
#[test]
fn a_summary_hides_nothing_for_good() {
    explore(quick_or(3, 2), || {
        let set = Arc::new(Sweep::with_banks(FAR + 1));
        // The summary says that there is something in the second word, and there is not.
        set.insert(FAR);
        set.pop().unwrap();
        let (passing, looking) = race((
            on(&set, |set| set.pop()),
            on(&set, |set| {
                set.insert(FAR);
                set.pop()
            }),
        ));
        assert!(passing.is_some() || looking.is_some(), "hidden, and nobody tells");
        assert!(set.is_empty() && set.pop().is_none());
    });
}

/// The same while the passer-by finds a bank elsewhere.
#[test]
fn a_summary_tells_what_it_hid() {
    explore(quick_or(2, 1), || {
        let set = Arc::new(Sweep::with_banks(FAR + 1));
        set.insert(FAR);
        set.pop().unwrap();
        let (passing, looking, _) = race((
            on(&set, |set| set.pop()),
            on(&set, |set| {
                set.insert(FAR);
                set.pop()
            }),
            on(&set, |set| set.insert(0)),
        ));
        let told = passing.is_some_and(|popped| popped.bank == FAR || popped.hidden > 0);
        let found = looking.is_some();
        let rest = set.pop().is_some() || set.pop().is_some();
        assert!(found || told, "hidden, and nobody tells");
        assert!(rest || [passing, looking].iter().flatten().count() == 2, "lost");
    });
}

/// Two inserts into words of their own, under one word of the summary.
#[test]
fn a_summary_loses_nothing() {
    explore(2, || {
        let set = Arc::new(Sweep::with_banks(FAR + 1));
        let (_, _, popped) = race((
            on(&set, |set| set.insert(0)),
            on(&set, |set| set.insert(FAR)),
            on(&set, |set| set.pop()),
        ));
        let mut banks: Vec<_> = [popped, set.pop(), set.pop()]
            .into_iter()
            .flatten()
            .map(|popped| popped.bank)
            .collect();
        banks.sort();
        assert_eq!(banks, [0, FAR]);
        assert!(set.is_empty());
    });
}

/// While one worker holds the popped bank, the other one finds it nowhere. It must be told of what
/// the first uncovers: two clients of one bank, each for a worker that keeps it.
fn the_slots_of_a_popped_bank_are_found<R: WithBanks + Send + Sync + 'static>() {
    explore(2, || {
        let queue: Arc<Queue<Bits<1>, R, Bell>> =
            Arc::new(PushQueue::with_parts(Config::new(2), Bits, Bell::default()));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
        let (one, other) = race((on(&queue, lease_or_sleep), on(&queue, lease_or_sleep)));
        assert_ne!(one.key(), other.key());
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

/// A worker that takes a turn's bit sees what it stands for, although another worker popped the
/// bank.
#[test]
fn a_turn_shows_the_marks_it_was_made_of() {
    struct Told {
        queue: Queue<Bits<1>>,
        news: AtomicUsize,
    }
    fn push(told: &Arc<Told>) -> usize {
        let Some(lease) = told.queue.try_lease() else { return 0 };
        assert_eq!(told.news.load(Relaxed), 1);
        lease.complete();
        1
    }
    explore(2, || {
        let queue = PushQueue::new(Config::new(2));
        for _ in 0..2 {
            queue.register().unwrap();
        }
        let told = Arc::new(Told { queue, news: AtomicUsize::new(0) });
        let (one, other) = race((
            on(&told, push),
            on(&told, |told| {
                told.news.store(1, Relaxed);
                told.queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
                push(told)
            }),
        ));
        assert_eq!(one + other + drain(&told.queue, |_| ()), 2);
    });
}

/// A set in which the first pop that finds nothing pauses.
struct Slow {
    set: Sweep,
    paused: std::sync::atomic::AtomicBool,
}

impl ReadySet for Slow {
    fn insert(&self, bank: usize) {
        self.set.insert(bank);
    }

    fn pop(&self) -> Option<Popped> {
        let popped = self.set.pop();
        if popped.is_none() && !self.paused.swap(true, Relaxed) {
            pause();
        }
        popped
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

impl WithBanks for Slow {
    fn with_banks(banks: usize) -> Self {
        Slow { set: Sweep::with_banks(banks), paused: false.into() }
    }
}

/// The last client becomes ready while two workers lease one client each. None is left out of every
/// turn.
fn a_turn_leaves_no_client_out<R: WithBanks + Send + Sync + 'static>(clients: usize) {
    explore(1, move || {
        let queue: Arc<Queue<Dirty, R>> =
            Arc::new(PushQueue::with_parts(Config::new(clients), Dirty, NoSignal));
        for _ in 1..clients {
            queue.register_with(Lane::Normal, ()).unwrap();
        }
        let last = queue.register().unwrap();
        let (one, other) = race((
            on(&queue, |queue| PushQueue::try_lease_from(Arc::clone(queue))),
            on(&queue, move |queue| {
                queue.publish(Target::One(last), Lane::Normal, ()).unwrap();
                PushQueue::try_lease_from(Arc::clone(queue))
            }),
        ));
        let leased = [&one, &other].into_iter().flatten().count();
        assert_eq!(leased + drain(&queue, |()| ()), clients, "left out");
    });
}

/// The worker that takes a turn's bit sees what it stands for, although nothing else orders it with
/// the mark: it has its permit, and has looked for urgent work.
#[test]
fn a_turn_leaves_no_client_out_that_was_marked_elsewhere() {
    a_turn_leaves_no_client_out::<Slow>(2);
}

/// Two turns want to begin.
#[test]
fn a_turn_leaves_no_client_out_when_two_begin() {
    a_turn_leaves_no_client_out::<Sweep>(3);
}

/// A turn ends and the next one begins while a worker is about to take the rest of the first.
#[test]
fn a_turn_is_not_taken_for_the_one_before() {
    explore(1, || {
        let queue: Arc<Queue<Dirty>> = Arc::new(PushQueue::new(Config::new(4)));
        let lease = |queue: &Arc<Queue<Dirty>>| PushQueue::try_lease_from(Arc::clone(queue));
        let two_more = || {
            for _ in 0..2 {
                queue.register_with(Lane::Normal, ()).unwrap();
            }
        };
        let mut leases = Vec::new();
        two_more();
        leases.extend(lease(&queue));
        two_more();
        let (one, others) =
            race((on(&queue, lease), on(&queue, move |queue| [(); 2].map(|()| lease(queue)))));
        leases.extend([one].into_iter().chain(others).flatten());
        assert_eq!(leases.len() + drain(&queue, |()| ()), 4, "left out");
    });
}
