//! Failure has a pace: what fails waits, longer each time, and no other client waits with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Backoff, Clients, Dispatcher, EvictReason};
use pushlane::{Config, Lane, Target};
use tokio::time::Instant;

use crate::rig::{
    Log, OneFuture, Push, Queue, Rig, Then, complete, fail, gate, options, paused, publish,
    publish_to_all, queue,
};

on_each_rig! {
    a_client_that_fails_is_evicted_after_its_attempts
    a_push_that_succeeds_forgets_the_failures_before
    a_client_that_backs_off_holds_no_permit_and_merges
    a_failure_by_panic_counts
    a_drain_ends_and_names_those_that_were_not_served
    a_drain_that_is_cut_short_gives_everything_back
    a_handler_that_forgets_its_push_runs_once
    a_handler_that_keeps_its_push_runs_once
    a_detached_push_that_fails_is_tried_again
    what_a_detached_handler_returns_counts_for_nothing
    a_client_that_leaves_while_it_backs_off_gives_its_place_up
    what_is_done_is_counted
    an_urgent_publish_ends_a_wait_if_asked_to
    a_client_that_leaves_ends_a_wait_if_urgent_publishes_do
}

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(36_000);

fn shortly() -> Backoff {
    Backoff::new(SOON, 8 * SOON)
}

async fn a_client_that_fails_is_evicted_after_its_attempts<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let failing = clients[0];
    let (evict, evicted) = Log::new();
    let (report, failures) = Log::new();
    let options = options(&queue)
        .backoff(shortly())
        .attempts(4)
        .on_failure(move |client, attempt, error| report((client, attempt, error.to_string())))
        .on_evict(move |client, reason| evict((client, reason)));
    let (log, attempts) = Log::new();
    let rig = R::start(options, 1, move |push| {
        if push.key() != failing {
            return complete(push);
        }
        log(push.attempt());
        fail(push)
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    let (client, reason) = evicted.next().await;
    assert!(client == failing && !queue.is_registered(failing) && queue.is_registered(clients[1]));
    assert_eq!(reason.to_string(), "4 pushes failed in a row, the last one because: on purpose");
    assert!(matches!(reason, EvictReason::Failures { attempts: 4, .. }));
    assert_eq!(attempts.so_far(), [1, 2, 3, 4]);
    let expected = [1, 2, 3, 4].map(|attempt| (failing, attempt, "on purpose".to_owned()));
    assert_eq!(failures.so_far(), expected);
    assert!(queue.register().is_ok(), "its place is free");
    assert!(rig.drain().await);
}

async fn a_push_that_succeeds_forgets_the_failures_before<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (log, attempts) = Log::new();
    let options = options(&queue).backoff(shortly()).attempts(3);
    let rig = R::start(options, 1, move |push| {
        let attempt = push.attempt();
        log(attempt);
        if attempt < 3 { fail(push) } else { complete(push) }
    });
    for change in 1..4 {
        let version = publish(&queue, clients[0], change);
        queue.converged(version).await;
    }
    assert_eq!(attempts.so_far(), [1, 2, 3].repeat(3));
    assert!(rig.drain().await);
}

/// With one permit, and for as long as it takes to serve another client a hundred times.
async fn a_client_that_backs_off_holds_no_permit_and_merges<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let (failing, other) = (clients[0], clients[1]);
    let (log, seen) = Log::new();
    let options = options(&queue).backoff(Backoff::new(R::LIMIT, R::LIMIT));
    let rig = R::start(options, 1, move |push| {
        if push.key() == other {
            return complete(push);
        }
        let (attempt, bits) = (push.attempt(), push.request()[0]);
        log((attempt, bits));
        if attempt == 1 { fail(push) } else { complete(push) }
    });
    let first = publish(&queue, failing, 0b01);
    assert_eq!(seen.next().await, (1, 0b01));
    let second = publish(&queue, failing, 0b10);
    for _ in 0..100 {
        let version = publish(&queue, other, 1);
        queue.converged(version).await;
    }
    assert_eq!(seen.so_far(), [], "it waits");
    assert_eq!((rig.stats().backing_off, queue.permits_held()), (1, 0));
    assert!(!queue.is_converged(first) && !queue.is_converged(second));
    queue.converged(first).await;
    assert_eq!(seen.so_far(), [(2, 0b11)]);
    assert!(queue.is_converged(second) && rig.drain().await);
}

async fn a_failure_by_panic_counts<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (report, failures) = Log::new();
    let options = options(&queue)
        .attempts(2)
        .on_failure(move |client, attempt, error| report((client, attempt, error.to_string())));
    let rig = R::start(options, 1, |_| std::panic::panic_any("on purpose".to_owned()));
    let version = publish(&queue, clients[0], 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    let expected = [1, 2].map(|attempt| (clients[0], attempt, "panicked: on purpose".to_owned()));
    assert_eq!(failures.so_far(), expected);
    assert!(!queue.is_registered(clients[0]));
}

async fn a_drain_ends_and_names_those_that_were_not_served<R: Rig>() {
    let (queue, clients) = queue(40, 4);
    let failing = [clients[3], clients[17], clients[39]];
    let options = options(&queue).backoff(Backoff::new(NEVER, NEVER));
    let rig = R::start(options, 4, move |push| {
        if failing.contains(&push.key()) { fail(push) } else { complete(push) }
    });
    let version = publish_to_all(&queue, 1);
    let unserved = rig.drain_within(R::LIMIT).await.unwrap_err();
    assert_eq!(unserved.clients(), failing);
    assert_eq!(unserved.to_string(), "3 clients have not got all that they are owed");
    assert_eq!((queue.permits_held(), queue.is_converged(version)), (0, false));
    // Nothing is lost: another dispatcher serves them, and owes them nothing of this one's pace.
    let rig = R::start(crate::rig::options(&queue), 1, move |push| {
        assert!(failing.contains(&push.key()) && push.attempt() == 1);
        complete(push)
    });
    assert!(rig.drain().await);
    assert!(queue.is_converged(version));
}

async fn a_drain_that_is_cut_short_gives_everything_back<R: Rig>() {
    let (queue, clients) = queue(6, 2);
    let (opener, closed) = gate();
    let (log, begun) = Log::new();
    let rig = R::start(options(&queue), 2, move |push| {
        log(push.key());
        Then::Hang(push, closed.clone())
    });
    publish_to_all(&queue, 1);
    begun.take(2).await;
    let unserved = rig.drain_within(SOON).await.unwrap_err();
    assert_eq!(unserved.clients(), clients, "those in progress included");
    drop(opener);
    while let Some(lease) = queue.next().await {
        lease.complete();
    }
    assert_eq!(queue.permits_held(), 0);
}

/// The client is lost, but nothing else.
async fn a_handler_that_forgets_its_push_runs_once<R: Rig>() {
    let (queue, clients) = queue(2, 2);
    let forgets = clients[0];
    let running = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&running);
    let rig = R::start(options(&queue).deadline(R::LIMIT), 2, move |push| {
        if push.key() == forgets {
            count.fetch_add(1, SeqCst);
            std::mem::forget(push);
            return Then::End(Ok(()));
        }
        complete(push)
    });
    for change in 0..10 {
        let _ = queue.publish(Target::One(forgets), Lane::Normal, [1]);
        let version = publish(&queue, clients[1], 1 << change);
        queue.converged(version).await;
    }
    let version = queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
    queue.converged(version).await;
    assert_eq!(running.load(SeqCst), 1);
    assert!(!queue.is_registered(forgets), "evicted at its deadline");
    while queue.permits_held() > 0 {
        pause().await;
    }
    assert!(rig.drain().await);
}

/// Not detached, the push waits for what the handler says, which has said it; and for its own end.
async fn a_handler_that_keeps_its_push_runs_once<R: Rig>() {
    let (queue, clients) = queue(1, 2);
    let (keep, kept) = Log::new();
    let rig = R::start(options(&queue), 2, move |push| {
        keep(push);
        Then::End(Ok(()))
    });
    let first = publish(&queue, clients[0], 1);
    let push = kept.next().await;
    let second = publish(&queue, clients[0], 2);
    assert!(push.is_superseded() && !queue.is_converged(first));
    drop(push);
    queue.converged(first).await;
    drop(kept.next().await);
    queue.converged(second).await;
    assert!(kept.so_far().is_empty() && rig.drain().await);
}

async fn a_detached_push_that_fails_is_tried_again<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (keep, kept) = Log::new();
    let rig = R::start(options(&queue).backoff(shortly()), 1, move |mut push| {
        push.release_permit();
        keep(push.detach());
        Then::End(Ok(()))
    });
    let version = publish(&queue, clients[0], 1);
    kept.next().await.fail("the acknowledgement says no");
    drop(kept.next().await);
    let third = kept.next().await;
    assert_eq!(third.attempt(), 3);
    third.requeue_after(SOON);
    let fourth = kept.next().await;
    assert_eq!(fourth.attempt(), 3, "that was no failure");
    assert!(!queue.is_converged(version));
    fourth.complete();
    queue.converged(version).await;
    assert_eq!(rig.stats().failed, 2);
    assert!(rig.drain().await);
}

async fn what_a_detached_handler_returns_counts_for_nothing<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (keep, kept) = Log::new();
    let rig = R::start(options(&queue), 1, move |push| {
        keep(push.detach());
        Then::End(Err("said too early".into()))
    });
    let version = publish(&queue, clients[0], 1);
    kept.next().await.complete();
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(kept.so_far().len(), 0);
}

async fn a_client_that_leaves_while_it_backs_off_gives_its_place_up<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (log, attempts) = Log::new();
    let options = options(&queue).backoff(Backoff::new(R::LIMIT, R::LIMIT));
    let rig = R::start(options, 1, move |push| {
        log(push.key());
        fail(push)
    });
    let version = publish(&queue, clients[0], 1);
    attempts.next().await;
    queue.unregister(clients[0]).unwrap();
    queue.converged(version).await;
    let next = loop {
        match queue.register_with(Lane::Normal, [1]) {
            Ok(next) => break next,
            Err(_) => pause().await,
        }
    };
    assert_eq!(attempts.next().await, next);
    queue.unregister(next).unwrap();
    assert!(rig.drain().await);
    assert!(attempts.so_far().is_empty(), "a client that has left isn't tried again");
}

/// Lets time pass, whichever time the rig has.
async fn pause() {
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(SOON).await;
    } else {
        smol::Timer::after(SOON).await;
    }
}

async fn what_is_done_is_counted<R: Rig>() {
    let (queue, clients) = queue(4, 4);
    let [fails, panics, leaves, hangs] = clients[..] else { unreachable!("four") };
    let (_opener, closed) = gate();
    let options = options(&queue).deadline(R::LIMIT);
    let failed = AtomicUsize::new(0);
    let rig = R::start(options, 4, move |push| match push.key() {
        key if key == fails && failed.fetch_add(1, SeqCst) < 3 => fail(push),
        key if key == panics && push.attempt() == 1 => panic!("on purpose"),
        key if key == hangs => Then::Hang(push, closed.clone()),
        key if key == leaves => {
            push.queue().unregister(key).unwrap();
            complete(push)
        }
        _ => complete(push),
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    while rig.stats().evicted == 0 || rig.stats().in_progress > usize::from(!R::DROPS_HANDLERS) {
        pause().await;
    }
    let stats = rig.stats();
    assert_eq!((stats.completed, stats.failed, stats.panicked), (3, 4, 1));
    assert_eq!((stats.evicted, stats.backing_off), (1, 0));
    assert!(rig.drain().await);
}

async fn an_urgent_publish_ends_a_wait_if_asked_to<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let (log, attempts) = Log::new();
    let backoff = Backoff::new(NEVER, NEVER).cut_short_by_urgent(true);
    let rig = R::start(options(&queue).backoff(backoff), 1, move |push| {
        log((push.key(), push.request()[0]));
        if push.request()[0] & 0b100 == 0 { fail(push) } else { complete(push) }
    });
    let version = publish(&queue, clients[0], 0b001);
    publish(&queue, clients[1], 0b001);
    attempts.take(2).await;
    publish(&queue, clients[0], 0b010);
    for _ in 0..10 {
        pause().await;
    }
    assert_eq!(attempts.so_far(), [], "a normal one waits with it");
    queue.publish(Target::One(clients[0]), Lane::Urgent, [0b100]).unwrap();
    assert_eq!(attempts.next().await, (clients[0], 0b111));
    queue.converged(version).await;
    assert_eq!(rig.stats().backing_off, 1);
    let to_all = queue.publish(Target::Everyone, Lane::Urgent, [0b100]).unwrap();
    queue.converged(to_all).await;
    assert!(rig.drain().await);
}

async fn a_client_that_leaves_ends_a_wait_if_urgent_publishes_do<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (log, attempts) = Log::new();
    let backoff = Backoff::new(NEVER, NEVER).cut_short_by_urgent(true);
    let rig = R::start(options(&queue).backoff(backoff), 1, move |push| {
        log(push.key());
        fail(push)
    });
    publish(&queue, clients[0], 1);
    attempts.next().await;
    queue.unregister(clients[0]).unwrap();
    while queue.register().is_err() {
        pause().await;
    }
    assert!(rig.drain().await && attempts.so_far().is_empty());
}

#[test]
fn a_handler_finds_the_value_of_its_client() {
    let queue: Queue = Arc::new(AsyncQueue::new(Config::new(2)));
    let clients = Clients::<Queue, u32>::new(Arc::clone(&queue));
    let (close, closed) = Log::new();
    let (log, seen) = Log::new();
    let pool = Dispatcher::builder(clients.clone())
        .backoff(shortly())
        .attempts(2)
        .close_evicted(move |value, reason| close((*value, reason.to_string())))
        .start_pool(1, move |push| {
            let value = push.client().ok_or("it has left")?;
            log(*value);
            if *value == 7 { Err("seven".into()) } else { Ok(()) }
        })
        .unwrap();
    let map = clients.map();
    map.connect(&clients, 7, [], Lane::Normal, [1]).unwrap();
    let stays = map.connect(&clients, 8, [], Lane::Normal, [1]).unwrap();
    let reason = "2 pushes failed in a row, the last one because: seven";
    assert_eq!(smol::block_on(closed.next()), (7, reason.to_owned()));
    pool.drain(NEVER).unwrap();
    let seen = seen.so_far();
    assert_eq!((seen.len(), seen.iter().filter(|value| **value == 8).count()), (3, 1));
    assert_eq!(map.iter().map(|(client, _)| client).collect::<Vec<_>>(), [stays]);
}

#[test]
fn a_slow_send_is_abandoned_for_newer_work() {
    paused(async {
        let (queue, clients) = queue(2, 2);
        let (log, sends) = Log::new();
        let dispatcher = options(&queue).start(move |push: Push| {
            let log = log.clone();
            async move {
                log((push.key(), push.request()[0]));
                if push.request()[0] == 1 {
                    push.superseded().await;
                    push.requeue_after(Duration::ZERO);
                }
                Ok(())
            }
        });
        let versions = [publish(&queue, clients[0], 1), publish(&queue, clients[1], 1)];
        let slow = sends.take(2).await;
        assert_eq!(slow, [(clients[0], 1), (clients[1], 1)]);
        for _ in 0..10 {
            tokio::time::sleep(SOON).await;
        }
        assert_eq!(sends.so_far(), []);
        publish(&queue, clients[0], 2);
        assert_eq!(sends.next().await, (clients[0], 3));
        publish_to_all(&queue, 4);
        assert_eq!(sends.take(2).await.iter().map(|(_, bits)| bits).sum::<u32>(), 5 + 4);
        queue.converged(versions[0]).await;
        queue.converged(versions[1]).await;
        // And for a client that has left.
        let last = queue.register_with(Lane::Normal, [1]);
        assert!(last.is_err(), "full");
        publish(&queue, clients[1], 1);
        sends.next().await;
        queue.unregister(clients[1]).unwrap();
        assert!(dispatcher.drain(NEVER).await.is_ok());
        assert_eq!(queue.clients(), 1);
    });
}

#[test]
fn a_drain_ends_on_time() {
    paused(async {
        let (queue, _) = queue(1, 1);
        let (opener, closed) = gate();
        let rig =
            OneFuture::start(options(&queue), 1, move |push| Then::Hang(push, closed.clone()));
        publish_to_all(&queue, 1);
        let start = Instant::now();
        let within = Duration::from_secs(7);
        assert!(rig.drain_within(within).await.is_err());
        let late = start.elapsed() - within;
        assert!(late <= Duration::from_millis(1), "{late:?}");
        drop(opener);
    });
}
