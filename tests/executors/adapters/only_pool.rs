//! What only threads have: some get stuck, and come back.

use std::sync::Arc;

use pushlane::adapters::blocking::Pool;
use pushlane::adapters::{AsyncQueue, Options, Waiters};
use pushlane::backlog::Dirty;
use pushlane::storage::Static;
use pushlane::{Config, Lane};

use crate::rig::{Log, Push, Rig, Threads, gate, publish, publish_to_all, queue};

#[test]
fn a_stuck_thread_is_replaced_and_ends_when_it_comes_back() {
    let (queue, clients) = queue(2, 2);
    let (log, threads) = Log::new();
    let (opener, closed) = gate();
    let hung = clients[0];
    let (leave, left) = Log::new();
    let pool =
        Pool::start(Arc::clone(&queue), 1, Options::deadline(Threads::LIMIT), move |push: Push| {
            log(std::thread::current().id());
            if push.key() == hung {
                let _ = closed.recv_blocking();
                assert!(push.is_expired());
                push.complete();
                leave(());
            } else {
                push.complete();
            }
        })
        .unwrap();
    let version = publish_to_all(&queue, 1);
    smol::block_on(async {
        queue.converged(version).await;
        assert_eq!((pool.at_work(), pool.stuck()), (1, 1));
        drop(opener);
        left.next().await;
        let stuck = threads.next().await;
        let substitute = threads.next().await;
        assert_ne!(stuck, substitute);
        while pool.stuck() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(pool.at_work(), 1);
        let version = publish(&queue, clients[1], 2);
        queue.converged(version).await;
        assert_eq!(threads.next().await, substitute);
    });
    assert!(pool.drain());
}

#[test]
fn beyond_the_bound_the_pool_shrinks_and_grows_again() {
    let (queue, clients) = queue(3, 3);
    let (opener, closed) = gate();
    let (evict, evicted) = Log::new();
    let last = clients[2];
    let options =
        Options::deadline(Threads::LIMIT).stuck_threads(1).on_evict(move |key, _| evict(key));
    let pool = Pool::start(Arc::clone(&queue), 1, options, move |push: Push| {
        if push.key() != last {
            let _ = closed.recv_blocking();
        }
        push.complete();
    })
    .unwrap();
    let version = publish_to_all(&queue, 1);
    smol::block_on(async {
        assert_eq!(evicted.take(2).await, clients[..2]);
        while pool.stuck() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(pool.at_work(), 0);
        assert!(!queue.is_converged(version));
        drop(opener);
        queue.converged(version).await;
    });
    assert!(pool.drain());
}

#[test]
fn a_drain_that_nobody_is_left_to_do_says_so() {
    let (queue, clients) = queue(2, 2);
    let (_opener, closed) = gate();
    let hung = clients[0];
    let options = Options::deadline(Threads::LIMIT).stuck_threads(0);
    let pool = Pool::start(Arc::clone(&queue), 1, options, move |push: Push| {
        assert_eq!(push.key(), hung);
        let _ = closed.recv_blocking();
    })
    .unwrap();
    publish_to_all(&queue, 1);
    assert!(!pool.drain());
    assert_eq!(queue.try_lease().unwrap().key(), clients[1]);
}

#[test]
fn a_handler_that_hangs_after_completing_costs_its_thread_and_nothing_else() {
    let (queue, clients) = queue(2, 2);
    let (_opener, closed) = gate();
    let hangs = clients[0];
    let (evict, evicted) = Log::new();
    let options = Options::deadline(Threads::LIMIT).on_evict(move |key, _| evict(key));
    let pool = Pool::start(Arc::clone(&queue), 1, options, move |push: Push| {
        let key = push.key();
        push.complete();
        if key == hangs {
            let _ = closed.recv_blocking();
        }
    })
    .unwrap();
    publish_to_all(&queue, 1);
    assert!(pool.drain());
    assert_eq!(evicted.so_far(), []);
    assert!(queue.is_registered(hangs));
}

#[test]
fn a_queue_in_a_static_is_served_too() {
    static QUEUE: AsyncQueue<Dirty, Static<2>> =
        AsyncQueue::const_with_signal(Config::new(10), Waiters::new());
    let pool = Pool::start(&QUEUE, 2, Options::no_deadline(), |push| push.complete()).unwrap();
    QUEUE.register_with(Lane::Urgent, ()).unwrap();
    assert!(pool.drain());
    assert!(QUEUE.is_drained());
}

#[test]
fn a_pool_has_at_least_one_thread() {
    let (queue, _) = queue(1, 1);
    let options = Options::no_deadline();
    let pool = Pool::start(Arc::clone(&queue), 0, options, |push: Push| push.complete()).unwrap();
    publish_to_all(&queue, 1);
    assert!(pool.drain());
}
