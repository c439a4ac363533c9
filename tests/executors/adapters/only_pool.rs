//! The thread pool alone: threads get stuck, and come back.

use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Dispatcher, Waiters};
use pushlane::backlog::Dirty;
use pushlane::storage::Static;
use pushlane::{Config, Lane};

use crate::rig::{Log, Push, Rig, Threads, gate, options, publish, publish_to_all, queue};

#[test]
fn a_stuck_thread_is_replaced_and_ends_when_it_comes_back() {
    let (queue, clients) = queue(2, 2);
    let (log, threads) = Log::new();
    let (opener, closed) = gate();
    let hung = clients[0];
    let (leave, left) = Log::new();
    let pool = options(&queue)
        .deadline(Threads::LIMIT)
        .start_pool(1, move |push: Push| {
            log(std::thread::current().id());
            if push.key() == hung {
                let _ = closed.recv_blocking();
                assert!(push.is_expired());
                drop(push);
                leave(());
            }
            Ok(())
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
    assert!(pool.drain(Duration::MAX).is_ok());
}

#[test]
fn beyond_the_bound_the_pool_shrinks_and_grows_again() {
    let (queue, clients) = queue(3, 3);
    let (opener, closed) = gate();
    let (evict, evicted) = Log::new();
    let last = clients[2];
    let options = options(&queue)
        .deadline(Threads::LIMIT)
        .stuck_threads(1)
        .on_evict(move |key, _| evict(key));
    let pool = options
        .start_pool(1, move |push: Push| {
            if push.key() != last {
                let _ = closed.recv_blocking();
            }
            Ok(())
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
    assert!(pool.drain(Duration::MAX).is_ok());
}

#[test]
fn a_drain_that_nobody_is_left_to_do_says_so() {
    let (queue, clients) = queue(2, 2);
    let (_opener, closed) = gate();
    let hung = clients[0];
    let options = options(&queue).deadline(Threads::LIMIT).stuck_threads(0);
    let pool = options
        .start_pool(1, move |push: Push| {
            assert_eq!(push.key(), hung);
            let _ = closed.recv_blocking();
            Ok(())
        })
        .unwrap();
    publish_to_all(&queue, 1);
    assert_eq!(pool.drain(Duration::MAX).unwrap_err().clients(), [clients[1]]);
    assert_eq!(queue.try_lease().unwrap().key(), clients[1]);
}

#[test]
fn a_handler_that_hangs_after_completing_costs_its_thread_and_nothing_else() {
    let (queue, clients) = queue(2, 2);
    let (_opener, closed) = gate();
    let hangs = clients[0];
    let (evict, evicted) = Log::new();
    let options = options(&queue).deadline(Threads::LIMIT).on_evict(move |key, _| evict(key));
    let pool = options
        .start_pool(1, move |push: Push| {
            let key = push.key();
            push.detach().complete();
            if key == hangs {
                let _ = closed.recv_blocking();
            }
            Ok(())
        })
        .unwrap();
    publish_to_all(&queue, 1);
    assert!(pool.drain(Duration::MAX).is_ok());
    assert_eq!(evicted.so_far(), []);
    assert!(queue.is_registered(hangs));
}

#[test]
fn a_queue_in_a_static_is_served_too() {
    static QUEUE: AsyncQueue<Dirty, Static<2>> =
        AsyncQueue::const_with_signal(Config::new(10), Waiters::new());
    let pool = Dispatcher::builder(&QUEUE).start_pool(2, |_push| Ok(())).unwrap();
    QUEUE.register_with(Lane::Urgent, ()).unwrap();
    assert!(pool.drain(Duration::MAX).is_ok());
    assert!(QUEUE.is_drained());
}

#[test]
fn a_pool_has_at_least_one_thread() {
    let (queue, _) = queue(1, 1);
    let pool = options(&queue).start_pool(0, |_push| Ok(())).unwrap();
    publish_to_all(&queue, 1);
    assert!(pool.drain(Duration::MAX).is_ok());
}
