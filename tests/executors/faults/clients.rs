//! Clients that leave at the worst moment, and too many of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pushlane::adapters::AsyncQueue;
use pushlane::{ClientKey, Config, Lane, PublishErrorKind, RegisterError};

use crate::dice::Dice;
use crate::ledger::{Ledger, storms};
use crate::recovery::{assert_recovered, eventually};
use crate::rig::{Log, Push, Queue, Rig, Then, complete, fail, gate, options, queue};

on_each_rig! {
    clients_leave_while_they_are_queued
    clients_leave_while_a_push_is_in_progress
    clients_leave_while_they_are_being_registered
    clients_come_and_go_from_several_threads
    there_are_more_clients_than_places
}

async fn clients_leave_while_they_are_queued<R: Rig>() {
    let (queue, clients) = queue(60, 0);
    let ledger = Ledger::new(&clients);
    let (log, served) = Log::new();
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 2, move |push: Push| {
        log(push.key());
        delivering.deliver(push)
    });
    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    let (gone, staying): (Vec<_>, Vec<_>) = clients.iter().partition(|key| key.index() % 3 == 0);
    for client in &gone {
        queue.unregister(*client).unwrap();
        assert_eq!(
            ledger.publish(&queue, Some(*client), Lane::Urgent),
            Err(PublishErrorKind::Stale)
        );
    }
    // Half of the places have new clients before anybody is served; they are owed nothing yet.
    let next: Vec<_> = (0..gone.len() / 2).map(|_| queue.register().unwrap()).collect();
    next.iter().for_each(|client| ledger.join(*client));
    queue.set_permits(2);
    queue.converged(version).await;
    let expected: HashSet<_> = staying.into_iter().collect();
    assert_eq!(served.take(expected.len()).await.into_iter().collect::<HashSet<_>>(), expected);
    assert_recovered(queue, rig, ledger).await;
    assert!(served.so_far().iter().all(|client| !gone.contains(client)));
}

/// By themselves, in the middle of the handler; which then completes, fails, or hangs.
async fn clients_leave_while_a_push_is_in_progress<R: Rig>() {
    let (queue, clients) = queue(60, 3);
    let ledger = Ledger::new(&clients);
    let (opener, closed) = gate();
    let (hang, hanging) = Log::new();
    let delivering = Arc::clone(&ledger);
    // As many threads as handlers that hang, and one.
    let rig = R::start(options(&queue), 7, move |mut push: Push| {
        if push.key().index() >= 18 {
            return delivering.deliver(push);
        }
        push.queue().unregister(push.key()).unwrap();
        match push.key().index() % 3 {
            0 => complete(push),
            1 => fail(push),
            _ => {
                push.release_permit();
                hang(());
                Then::Hang(push, closed.clone())
            }
        }
    });
    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    queue.converged(version).await;
    hanging.take(6).await;
    eventually("permits don't wait for who hangs", || queue.permits_held() == 0).await;
    eventually("places do", || queue.clients() == 42 + 6).await;
    drop(opener);
    assert_recovered(queue, rig, ledger).await;
}

/// The handler can know a newcomer before `register_with` has returned.
async fn clients_leave_while_they_are_being_registered<R: Rig>() {
    const NEWCOMERS: usize = 300;
    let queue: Queue = Arc::new(AsyncQueue::new(Config::new(10).permits(3)));
    let staying: Vec<_> = (0..5).map(|_| queue.register().unwrap()).collect();
    let ledger = Ledger::new(&staying);
    let (here, delivering) = (staying.clone(), Arc::clone(&ledger));
    let unregistered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&unregistered);
    let rig = R::start(options(&queue), 3, move |push: Push| {
        if !here.contains(&push.key()) {
            let left = push.queue().unregister(push.key()).is_ok();
            count.fetch_add(usize::from(left), SeqCst);
        }
        delivering.deliver(push)
    });
    let newcomers: Vec<_> = (0..3)
        .map(|thread| {
            let (queue, ledger) = (Arc::clone(&queue), Arc::clone(&ledger));
            let unregistered = Arc::clone(&unregistered);
            smol::unblock(move || {
                let dice = Dice::new(thread);
                for _ in 0..NEWCOMERS {
                    let key =
                        register(&queue, || queue.register_with(Lane::Urgent, ledger.change().1));
                    if dice.roll(2) == 0 {
                        let left = queue.unregister(key).is_ok();
                        unregistered.fetch_add(usize::from(left), SeqCst);
                    }
                }
            })
        })
        .collect();
    let publishers = storms(1, &queue, &ledger, &staying, 300);
    for newcomer in newcomers {
        newcomer.await;
    }
    for publisher in publishers {
        publisher.await;
    }
    eventually("all newcomers have left", || queue.clients() == staying.len()).await;
    assert_eq!(unregistered.load(SeqCst), 3 * NEWCOMERS, "each of them once");
    assert_recovered(queue, rig, ledger).await;
}

/// Waits for a place.
fn register(queue: &Queue, attempt: impl Fn() -> Result<ClientKey, RegisterError>) -> ClientKey {
    for _ in 0..10_000_000 {
        match attempt() {
            Ok(key) => return key,
            Err(RegisterError::Full) => std::thread::yield_now(),
            Err(refused) => panic!("{refused}"),
        }
    }
    panic!("{queue:?} is full, and nobody leaves");
}

async fn clients_come_and_go_from_several_threads<R: Rig>() {
    const LIVES: usize = 400;
    let queue: Queue = Arc::new(AsyncQueue::new(Config::new(24).permits(3)));
    let staying: Vec<_> = (0..20).map(|_| queue.register().unwrap()).collect();
    let ledger = Ledger::new(&staying);
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 3, move |push| delivering.deliver(push));
    // Four threads for four places: seldom a place is vacant for long.
    let passing: Vec<_> = (0..4)
        .map(|thread| {
            let (queue, ledger) = (Arc::clone(&queue), Arc::clone(&ledger));
            smol::unblock(move || {
                let dice = Dice::new(thread);
                let mut before = None;
                for _ in 0..LIVES {
                    let key = if dice.roll(2) == 0 {
                        register(&queue, || queue.register())
                    } else {
                        register(&queue, || queue.register_with(Lane::Normal, ledger.change().1))
                    };
                    if dice.roll(2) == 0 {
                        ledger.publish(&queue, Some(key), Lane::Urgent).unwrap();
                    }
                    if let Some(before) = before.replace(key) {
                        assert!(queue.unregister(before).is_err(), "it has left");
                        assert_eq!(
                            ledger.publish(&queue, Some(before), Lane::Normal),
                            Err(PublishErrorKind::Stale)
                        );
                    }
                    queue.unregister(key).unwrap();
                }
            })
        })
        .collect();
    let publishers = storms(1, &queue, &ledger, &staying, 800);
    for passing in passing {
        passing.await;
    }
    for publisher in publishers {
        publisher.await;
    }
    assert_recovered(queue, rig, ledger).await;
}

async fn there_are_more_clients_than_places<R: Rig>() {
    const ROOM: usize = 70;
    let queue: Queue = Arc::new(AsyncQueue::new(Config::new(ROOM).permits(2)));
    let ledger = Ledger::new(&[]);
    let (opener, closed) = gate();
    let (hang, hanging) = Log::new();
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 3, move |mut push: Push| {
        // The first client of the first place.
        if (push.key().index(), push.key().generation()) == (0, 1) {
            push.release_permit();
            hang(());
            return Then::Hang(push, closed.clone());
        }
        delivering.deliver(push)
    });
    let crowd: Vec<_> = (0..3)
        .map(|_| {
            let (queue, ledger) = (Arc::clone(&queue), Arc::clone(&ledger));
            smol::unblock(move || {
                let let_in: Vec<_> = std::iter::from_fn(|| queue.register().ok()).collect();
                let_in.iter().for_each(|client| ledger.join(*client));
                assert_eq!(queue.register(), Err(RegisterError::Full));
                let refused = queue.register_with(Lane::Urgent, ledger.change().1);
                assert_eq!(refused, Err(RegisterError::Full));
                let_in
            })
        })
        .collect();
    let mut clients = Vec::new();
    for crowd in crowd {
        clients.extend(crowd.await);
    }
    assert_eq!(clients.iter().map(|key| key.index()).collect::<HashSet<_>>().len(), ROOM);
    assert_eq!((clients.len(), queue.clients()), (ROOM, ROOM));

    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    hanging.next().await;
    let first = *clients.iter().find(|client| client.index() == 0).unwrap();
    queue.unregister(first).unwrap();
    queue.converged(version).await;
    assert_eq!(queue.register(), Err(RegisterError::Full), "its push is in progress");
    drop(opener);
    eventually("the place is free", || queue.clients() < ROOM).await;
    ledger.join(queue.register().unwrap());
    assert_eq!(queue.register(), Err(RegisterError::Full));
    assert_recovered(queue, rig, ledger).await;
}
