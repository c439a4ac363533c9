//! Races in the middle of an operation, on one thread and the same each time: the ready set runs
//! something else when it is called.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pushlane::backlog::Dirty;
use pushlane::ready::{Popped, ReadySet, Sweep, WithBanks};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, PushQueue, Signal, Target};

type Meanwhile = Box<dyn FnOnce()>;

thread_local! {
    /// One each time that a set has nothing to pop.
    static AFTER_A_POP_IN_VAIN: RefCell<VecDeque<Meanwhile>> = const { RefCell::new(VecDeque::new()) };
    /// One each time that a set is asked whether it is empty.
    static BEFORE_IS_EMPTY: RefCell<VecDeque<Meanwhile>> = const { RefCell::new(VecDeque::new()) };
}

struct Interrupted(Sweep);

impl ReadySet for Interrupted {
    fn insert(&self, bank: usize) {
        self.0.insert(bank);
    }

    fn pop(&self) -> Option<Popped> {
        let bank = self.0.pop();
        if bank.is_none() {
            let meanwhile = AFTER_A_POP_IN_VAIN.with_borrow_mut(VecDeque::pop_front);
            meanwhile.into_iter().for_each(|meanwhile| meanwhile());
        }
        bank
    }

    fn is_empty(&self) -> bool {
        let meanwhile = BEFORE_IS_EMPTY.with_borrow_mut(VecDeque::pop_front);
        meanwhile.into_iter().for_each(|meanwhile| meanwhile());
        self.0.is_empty()
    }
}

impl WithBanks for Interrupted {
    fn with_banks(banks: usize) -> Self {
        Interrupted(Sweep::with_banks(banks))
    }
}

/// Counts its calls.
#[derive(Default)]
struct Told(AtomicUsize);

impl Signal for Told {
    fn ready(&self, _: usize) {
        self.0.fetch_add(1, Relaxed);
    }
}

type Queue = PushQueue<Dirty, Heap<Interrupted>, Told>;

fn queue(clients: usize, permits: usize) -> (Arc<Queue>, Vec<ClientKey>) {
    let config = Config::new(clients).permits(permits);
    let queue = Queue::with_parts(config, Dirty, Told::default());
    let clients = (0..clients).map(|_| queue.register().unwrap()).collect();
    (Arc::new(queue), clients)
}

fn told(queue: &Queue) -> usize {
    queue.signal().0.swap(0, Relaxed)
}

fn publish(queue: &Queue, client: ClientKey) {
    queue.publish(Target::One(client), Lane::Urgent, ()).unwrap();
}

#[test]
fn the_limit_is_lowered_while_somebody_else_raises_it() {
    let (queue, clients) = queue(1, 5);
    queue.unregister(clients[0]).unwrap();
    queue.register_with(Lane::Urgent, ()).unwrap();
    let other = Arc::clone(&queue);
    let lower: Meanwhile = Box::new(move || assert_eq!(other.set_permits(1), 10));
    BEFORE_IS_EMPTY.with_borrow_mut(|meanwhile| meanwhile.push_back(lower));
    assert_eq!(queue.set_permits(10), 5);
    assert_eq!(queue.permits(), 1, "the last call decides");
}

/// The client of a lease or batch, which is given back.
fn lease(queue: &Queue, batch: bool) -> Option<ClientKey> {
    if batch {
        let batch = queue.try_lease_batch(1)?;
        return batch.iter().map(|(client, ())| client).next();
    }
    queue.try_lease().map(|lease| lease.key())
}

#[test]
fn work_comes_while_the_only_permit_is_out_for_nothing() {
    for batch in [false, true] {
        let (queue, clients) = queue(1, 1);
        let (other, client) = (Arc::clone(&queue), clients[0]);
        let come: Meanwhile = Box::new(move || {
            publish(&other, client);
            assert_eq!(lease(&other, batch), None, "the worker that was signalled finds no permit");
        });
        AFTER_A_POP_IN_VAIN.with_borrow_mut(|meanwhile| meanwhile.push_back(come));
        assert_eq!(lease(&queue, batch), Some(client), "who had the permit looks again");
        assert_eq!(queue.permits_held(), 0);
    }
}

#[test]
fn a_worker_that_gives_up_looking_signals_that_there_is_more() {
    for batch in [false, true] {
        let (queue, clients) = queue(2, 1);
        let [gone, late] = [clients[0], clients[1]];
        let steps: [fn(&Queue, ClientKey, ClientKey); 3] = [
            |queue, gone, _| publish(queue, gone),
            |queue, gone, _| queue.unregister(gone).unwrap(),
            |queue, _, late| publish(queue, late),
        ];
        AFTER_A_POP_IN_VAIN.with_borrow_mut(|meanwhile| {
            for step in steps {
                let queue = Arc::clone(&queue);
                meanwhile.push_back(Box::new(move || step(&queue, gone, late)));
            }
        });
        assert_eq!(lease(&queue, batch), None, "it looked twice, and something came too late");
        assert_eq!(told(&queue), 3, "of two publishes, and of the work that is left");
        assert_eq!(queue.permits_held(), 0);
        assert_eq!(lease(&queue, batch), Some(late));
    }
}
