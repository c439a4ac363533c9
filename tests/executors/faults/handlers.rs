//! Handlers that panic, hang, and come back too late.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use pushlane::Lane;

use crate::changes::panic_quietly;
use crate::dice::Dice;
use crate::ledger::{Ledger, storms};
use crate::recovery::assert_recovered;
use crate::rig::{Log, Push, Rig, Then, Tokio, gate, options, queue};

on_each_rig! {
    one_push_in_ten_panics
    half_of_all_pushes_panic
    nine_pushes_in_ten_panic
    some_handlers_never_return
    handlers_return_after_their_deadline
}

async fn one_push_in_ten_panics<R: Rig>() {
    panicking::<R>(10).await;
}

async fn half_of_all_pushes_panic<R: Rig>() {
    panicking::<R>(50).await;
}

async fn nine_pushes_in_ten_panic<R: Rig>() {
    panicking::<R>(90).await;
}

/// Before the push has ended, and after; on the way, requests are merged back.
async fn panicking<R: Rig>(percent: usize) {
    let (queue, clients) = queue(100, 3);
    let ledger = Ledger::new(&clients);
    let (dice, delivering) = (Dice::new(percent as u64), Arc::clone(&ledger));
    let rig = R::start(options(&queue), 3, move |push| {
        if dice.roll(100) < percent {
            if dice.roll(4) == 0 {
                delivering.deliver(push);
            }
            panic_quietly();
        }
        delivering.deliver(push)
    });
    for publisher in storms(2, &queue, &ledger, &clients, 400) {
        assert_eq!(publisher.await, 400);
    }
    assert_recovered(queue, rig, ledger).await;
}

async fn some_handlers_never_return<R: Rig>() {
    const HUNG: usize = 6;
    let (queue, clients) = queue(100, 3);
    let ledger = Ledger::new(&clients);
    let hung: HashSet<_> = clients.iter().copied().step_by(100 / HUNG).take(HUNG).collect();
    let (evict, evicted) = Log::new();
    let options =
        options(&queue).deadline(R::LIMIT).on_evict(move |key, _| evict(key)).stuck_threads(HUNG);
    let (opener, closed) = gate();
    let (hangs, delivering) = (hung.clone(), Arc::clone(&ledger));
    let rig = R::start(options, 3, move |push| {
        if hangs.contains(&push.key()) {
            return Then::Hang(push, closed.clone());
        }
        delivering.deliver(push)
    });
    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    queue.converged(version).await;
    assert_eq!(evicted.take(HUNG).await.into_iter().collect::<HashSet<_>>(), hung);
    assert_eq!(queue.permits_held(), 0, "though some have still not returned");
    let version = ledger.publish(&queue, None, Lane::Urgent).unwrap();
    queue.converged(version).await;
    drop(opener);
    assert_recovered(queue, rig, ledger).await;
}

/// Their places have new clients by the time they are through.
async fn handlers_return_after_their_deadline<R: Rig>() {
    const LATE: usize = 6;
    let (queue, clients) = queue(40, 2);
    let ledger = Ledger::new(&clients);
    let (evict, evicted) = Log::new();
    let options = options(&queue).deadline(R::LIMIT).on_evict(move |key, _| evict(key));
    let (keep, kept) = Log::new();
    let unlucky: HashSet<_> = clients.iter().copied().take(LATE).collect();
    let (late, delivering) = (unlucky.clone(), Arc::clone(&ledger));
    let rig = R::start(options, 2, move |push: Push| {
        if late.contains(&push.key()) {
            keep(push.detach());
            return Then::End(Ok(()));
        }
        delivering.deliver(push)
    });
    ledger.publish(&queue, None, Lane::Normal).unwrap();
    let mut late = kept.take(LATE).await;
    assert_eq!(evicted.take(LATE).await.into_iter().collect::<HashSet<_>>(), unlucky);
    assert!(queue.register().is_err(), "places are taken as long as pushes are in progress");
    for (turn, push) in late.drain(..).enumerate() {
        match turn % 3 {
            0 => push.complete(),
            1 => push.fail("on purpose"),
            _ => drop(push),
        }
        let (_, first) = ledger.change();
        let next = queue.register_with(Lane::Normal, first).unwrap();
        assert!(!unlucky.contains(&next));
        ledger.join(next);
        ledger.publish(&queue, Some(next), Lane::Normal).unwrap();
    }
    assert_recovered(queue, rig, ledger).await;
}

/// On one thread, in virtual time: a pool would need as many threads.
#[test]
fn ten_thousand_clients_all_hang() {
    Tokio::run(all_hang(false));
}

/// So that they are all in progress at once.
#[test]
fn ten_thousand_clients_all_hang_without_their_permits() {
    Tokio::run(all_hang(true));
}

async fn all_hang(release: bool) {
    let (queue, clients) = queue(10_000, 100);
    let ledger = Ledger::new(&clients);
    let evicted = Arc::new(Mutex::new(HashSet::new()));
    let evict = Arc::clone(&evicted);
    let options = options(&queue)
        .deadline(Tokio::LIMIT)
        .on_evict(move |key, _| assert!(evict.lock().unwrap().insert(key), "evicted once"));
    let (all, delivering) = (clients.iter().copied().collect::<HashSet<_>>(), Arc::clone(&ledger));
    let (begin, begun) = Log::new();
    let hangs = Arc::new(all);
    let all = Arc::clone(&hangs);
    let handler = move |mut push: Push| {
        let (hangs, delivering) = (Arc::clone(&hangs), Arc::clone(&delivering));
        begin(());
        async move {
            if !hangs.contains(&push.key()) {
                delivering.deliver(push);
                return Ok(());
            }
            if release {
                push.release_permit();
            }
            std::future::pending::<()>().await;
            Ok(())
        }
    };
    let dispatcher = options.start(handler);
    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    if release {
        begun.take(clients.len()).await;
        assert!(!queue.is_converged(version));
        assert_eq!(queue.laggards(version).count(), clients.len());
    }
    queue.converged(version).await;
    crate::recovery::eventually("every place is free again", || queue.clients() == 0).await;
    assert_eq!(*evicted.lock().unwrap(), *all);
    assert_eq!(queue.permits_held(), 0);
    for _ in 0..clients.len() {
        ledger.join(queue.register().unwrap());
    }
    assert_recovered(queue, Tokio(dispatcher), ledger).await;
}
