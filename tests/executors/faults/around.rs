//! What happens to the queue from outside: publishers die, the limit vanishes, somebody closes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pushlane::{Lane, PublishError, PublishErrorKind, RegisterError, SLOTS, Target};
use smol::future::yield_now;

use crate::changes::BOMB;
use crate::ledger::{Ledger, storms};
use crate::recovery::{assert_recovered, eventually};
use crate::rig::{Log, Queue, Rig, options, queue};

on_each_rig! {
    a_publisher_dies_in_a_merge
    publishers_die_in_a_storm
    the_limit_goes_to_zero_and_back
    the_queue_is_closed_in_a_storm
}

/// A thread that publishes what can't be merged. True: it died of that.
async fn publish_bomb(queue: &Queue) -> bool {
    let queue = Arc::clone(queue);
    let publisher = move || queue.publish(Target::Everyone, Lane::Normal, crate::request(BOMB));
    let thread = smol::unblock(move || std::thread::spawn(publisher).join());
    thread.await.is_err()
}

async fn a_publisher_dies_in_a_merge<R: Rig>() {
    let (queue, clients) = queue(3 * SLOTS, 0);
    let ledger = Ledger::new(&clients);
    let (log, served) = Log::new();
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 2, move |push| {
        log((push.key(), push.request().numbers.contains(&BOMB)));
        delivering.deliver(push)
    });
    // The first bank gets the request and its marks. In the second one there is somebody who has
    // something already, and a bank's merges are made before anything is given to the others; so it
    // gets nothing, and neither does the third one.
    let pending = clients[SLOTS + SLOTS / 2];
    let version = ledger.publish(&queue, Some(pending), Lane::Normal).unwrap();
    assert!(publish_bomb(&queue).await);
    queue.set_permits(2);
    queue.converged(version).await;
    let served_first = served.take(SLOTS + 1).await;
    assert!(served_first.iter().all(|(key, bomb)| *bomb == (key.index() < SLOTS)));
    // The others are not stuck, and what died with its publisher is in nobody's next push.
    let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
    queue.converged(version).await;
    assert!(served.take(3 * SLOTS).await.iter().all(|(_, bomb)| !bomb));
    assert_recovered(queue, rig, ledger).await;
}

async fn publishers_die_in_a_storm<R: Rig>() {
    let (queue, clients) = queue(3 * SLOTS, 2);
    let ledger = Ledger::new(&clients);
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 2, move |push| delivering.deliver(push));
    let publishers = storms(2, &queue, &ledger, &clients, 500);
    let mut died = 0;
    for _ in 0..30 {
        died += usize::from(publish_bomb(&queue).await);
    }
    for publisher in publishers {
        assert_eq!(publisher.await, 500);
    }
    // One at least, whatever the threads' timing was: nobody is served, and everybody has
    // something.
    queue.set_permits(0);
    ledger.publish(&queue, None, Lane::Normal).unwrap();
    died += usize::from(publish_bomb(&queue).await);
    assert!(died > 0);
    queue.set_permits(2);
    assert_recovered(queue, rig, ledger).await;
}

async fn the_limit_goes_to_zero_and_back<R: Rig>() {
    let (queue, clients) = queue(100, 4);
    let ledger = Ledger::new(&clients);
    let begun = Arc::new(AtomicUsize::new(0));
    let (count, delivering) = (Arc::clone(&begun), Arc::clone(&ledger));
    let rig = R::start(options(&queue), 4, move |push| {
        count.fetch_add(1, SeqCst);
        delivering.deliver(push)
    });
    let publishers = storms(2, &queue, &ledger, &clients, 1_000);
    for round in 0..30 {
        queue.set_permits(0);
        eventually("permits come back", || queue.permits_held() == 0).await;
        let before = begun.load(SeqCst);
        for _ in 0..50 {
            yield_now().await;
        }
        assert_eq!(
            (begun.load(SeqCst), queue.permits_held()),
            (before, 0),
            "no push begins without one"
        );
        queue.set_permits(1 + round % 4);
        // There is something to do, and it is done.
        let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
        queue.converged(version).await;
    }
    for publisher in publishers {
        assert_eq!(publisher.await, 1_000);
    }
    assert_recovered(queue, rig, ledger).await;
}

async fn the_queue_is_closed_in_a_storm<R: Rig>() {
    const MOST: usize = 1_000_000;
    let (queue, clients) = queue(100, 4);
    let ledger = Ledger::new(&clients);
    let (log, served) = Log::new();
    let delivering = Arc::clone(&ledger);
    let rig = R::start(options(&queue), 4, move |push| {
        log(());
        delivering.deliver(push)
    });
    let publishers = storms(3, &queue, &ledger, &clients, MOST);
    served.take(300).await;
    queue.close();
    for publisher in publishers {
        assert!(publisher.await < MOST, "it was refused in the end");
    }
    assert_eq!(queue.register(), Err(RegisterError::Closed));
    let refused = queue.publish(Target::Everyone, Lane::Urgent, crate::request(0));
    assert!(matches!(refused, Err(PublishError { kind: PublishErrorKind::Closed, .. })));
    assert_recovered(queue, rig, ledger).await;
}
