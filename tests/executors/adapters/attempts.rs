//! When a push that fails is attempted again, in virtual time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pushlane::ClientKey;
use pushlane::adapters::{Backoff, Outcome};
use tokio::time::Instant;

use crate::rig::{
    Log, OneFuture, Push, Rig, Tokio, VIRTUAL, complete, fail, options, paused, publish,
    publish_to_all, queue,
};

const NEVER: Duration = Duration::from_secs(36_000);

/// The times of a client's attempts, in virtual time.
fn attempts_at(backoff: Backoff, clients: usize) -> HashMap<ClientKey, Vec<Duration>> {
    let attempts = Arc::new(Mutex::new(HashMap::<_, Vec<_>>::new()));
    let log = Arc::clone(&attempts);
    paused(async move {
        let (queue, _) = queue(clients, 1);
        let start = Instant::now();
        let rig = Tokio::start(options(&queue).backoff(backoff).attempts(16), 1, move |push| {
            log.lock().unwrap().entry(push.key()).or_default().push(start.elapsed());
            fail(push)
        });
        let version = publish_to_all(&queue, 1);
        queue.converged(version).await;
        assert!(rig.drain().await);
    });
    Arc::into_inner(attempts).unwrap().into_inner().unwrap()
}

#[test]
fn waits_double_up_to_the_most_and_differ_between_clients() {
    let (first, most) = (Duration::from_millis(10), Duration::from_secs(10));
    let attempts = attempts_at(Backoff::default(), 50);
    assert_eq!(attempts.len(), 50);
    for times in attempts.values() {
        assert_eq!(times.len(), 16);
        let mut longest = first;
        for pair in times.windows(2) {
            // Tokio's timer counts milliseconds.
            let (wait, tick) = (pair[1] - pair[0], Duration::from_millis(1));
            assert!(longest / 2 <= wait && wait <= longest + tick, "{wait:?} of {longest:?}");
            longest = (longest * 2).min(most);
        }
    }
    let mut ends: Vec<_> = attempts.values().map(|times| times[15]).collect();
    ends.sort();
    ends.dedup();
    assert!(ends.len() > 45, "they don't come back all at once: {ends:?}");
}

#[test]
fn a_second_of_failures_is_a_handful_of_attempts() {
    paused(async {
        let (queue, clients) = queue(2, 2);
        let rig = OneFuture::start(options(&queue).backoff(Backoff::default()), 1, |push| {
            if push.request()[0] == 1 { fail(push) } else { panic!("on purpose") }
        });
        publish(&queue, clients[0], 1);
        publish(&queue, clients[1], 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stats = rig.stats();
        assert_eq!((stats.backing_off, queue.permits_held()), (2, 0));
        // Jitter decides for each client alone: the two need not have tried equally often.
        let handful = 6..=9;
        assert!(handful.contains(&stats.panicked), "{stats:?}");
        assert!(handful.contains(&(stats.failed - stats.panicked)), "{stats:?}");
    });
}

#[test]
fn requeue_after_waits_that_long_and_counts_no_failure() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let (log, attempts) = Log::new();
        let start = Instant::now();
        let options = options(&queue).attempts(1);
        let dispatcher = options.start(move |push: Push| {
            let log = log.clone();
            async move {
                log((push.attempt(), start.elapsed().as_secs()));
                if start.elapsed() < Duration::from_secs(300) {
                    push.requeue_after(Duration::from_secs(100));
                    return Err("nobody hears this".into());
                }
                Outcome::Ok(())
            }
        });
        let version = publish(&queue, clients[0], 1);
        queue.converged(version).await;
        assert!(dispatcher.drain(NEVER).await.is_ok());
        assert_eq!(attempts.so_far(), [(1, 0), (1, 100), (1, 200), (1, 300)]);
    });
}

#[test]
fn each_attempt_has_a_deadline_of_its_own() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let wait = 4 * VIRTUAL;
        let options = options(&queue).deadline(VIRTUAL).backoff(Backoff::new(wait, wait));
        let rig = Tokio::start(options, 1, |push| {
            assert_eq!(push.remaining(), Some(VIRTUAL));
            if push.attempt() < 5 { fail(push) } else { complete(push) }
        });
        let version = publish(&queue, clients[0], 1);
        queue.converged(version).await;
        assert!(queue.is_registered(clients[0]));
        assert!(rig.drain().await);
    });
}
