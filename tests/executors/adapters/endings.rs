//! How waits end: with their client, with their time, with what is urgent, and with nothing else.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Backoff, Dispatcher, EmbassyTimer, Timer, TokioTimer};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};
use tokio::time::{Instant, sleep};

use crate::rig::{
    Log, OneFuture, Push, Rig, Then, Threads, Tokio, gate, options, paused, publish,
    publish_to_all, queue,
};

const NEVER: Duration = Duration::from_secs(36_000);
const MOMENT: Duration = Duration::from_millis(11);

/// The first handler gives its push back, and hangs beyond its deadline: by then the second one
/// runs, and it is that one which decides about the second push.
#[test]
fn a_handler_that_was_given_up_ends_no_later_push() {
    let (queue, clients) = queue(1, 2);
    let (log, begun) = Log::new();
    let (first, first_closed) = gate();
    let (second, second_closed) = gate();
    let pool = options(&queue)
        .deadline(Threads::LIMIT)
        .start_pool(2, move |push: Push| {
            let attempt = push.attempt();
            log(attempt);
            if push.request()[0] == 1 {
                push.requeue_after(Duration::ZERO);
                let _ = first_closed.recv_blocking();
                return Ok(());
            }
            if attempt == 1 {
                let _ = second_closed.recv_blocking();
                return Err("on purpose".into());
            }
            Ok(())
        })
        .unwrap();
    publish(&queue, clients[0], 1);
    smol::block_on(async {
        assert_eq!(begun.next().await, 1);
        let version = publish(&queue, clients[0], 2);
        assert_eq!(begun.next().await, 1, "the other handler, when the first is given up");
        drop(first);
        for _ in 0..1_000 {
            if pool.stuck() == 0 {
                break;
            }
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        drop(second);
        queue.converged(version).await;
        assert_eq!(begun.so_far(), [2], "the second push has failed");
    });
    assert_eq!((pool.stats().failed, pool.stats().completed), (1, 1));
    assert!(pool.drain(Duration::MAX).is_ok());
}

/// Whatever it waits for, its place is free when it has left.
async fn a_wait_ends_with_its_client<R: Rig>(delay: Duration) {
    let (queue, clients) = queue(1, 1);
    let rig = R::start(options(&queue), 1, move |push| {
        push.requeue_after(delay);
        Then::End(Ok(()))
    });
    sleep(MOMENT).await; // beyond which the longest delay is more than the clock can count
    publish(&queue, clients[0], 1);
    while rig.stats().backing_off == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    queue.unregister(clients[0]).unwrap();
    sleep(MOMENT).await;
    assert!(queue.register().is_ok());
    assert_eq!(rig.stats().backing_off, 0);
}

#[test]
fn a_wait_for_a_later_attempt_ends_with_its_client() {
    for delay in [NEVER, Duration::MAX] {
        paused(a_wait_ends_with_its_client::<Tokio>(delay));
        paused(a_wait_ends_with_its_client::<OneFuture>(delay));
    }
}

#[test]
fn a_wait_for_ever_is_cut_short_by_what_is_urgent() {
    paused(async {
        let (queue, clients) = queue(2, 1);
        let (log, attempts) = Log::new();
        let start = Instant::now();
        let options = options(&queue).backoff(Backoff::NONE.cut_short_by_urgent(true));
        let _rig = Tokio::start(options, 1, move |push| {
            log((push.key(), start.elapsed().as_millis() as u64));
            push.requeue_after(Duration::MAX);
            Then::End(Ok(()))
        });
        sleep(Duration::from_secs(1)).await; // as above
        publish_to_all(&queue, 1);
        attempts.take(2).await;
        sleep(Duration::from_secs(1)).await;
        // The second one while the keeper doesn't listen, for it has just looked.
        for client in &clients {
            queue.publish(*client, Lane::Urgent, [1]).unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        sleep(MOMENT).await;
        let second = attempts.so_far();
        assert_eq!(second.iter().map(|(client, _)| *client).collect::<Vec<_>>(), clients);
        assert!(second[0].1 <= 2_000 && second[1].1 <= 2_011, "{second:?}");
    });
}

#[test]
fn a_wait_is_not_cut_short_by_a_normal_publish_to_everyone() {
    paused(async {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
        queue.register().unwrap();
        let (log, attempts) = Log::new();
        let _dispatcher = Dispatcher::builder(Arc::clone(&queue))
            .backoff(Backoff::new(NEVER, NEVER).cut_short_by_urgent(true))
            .start(move |push| {
                log(push.lane());
                async { Err("on purpose".into()) }
            });
        for _ in 0..5 {
            queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(attempts.so_far(), [Lane::Normal]);
        queue.publish(Target::Everyone, Lane::Urgent, ()).unwrap();
        sleep(Duration::from_millis(50)).await;
        assert_eq!(attempts.so_far(), [Lane::Urgent]);
    });
}

/// Its sleeps end early.
struct Early(TokioTimer);

impl Timer for Early {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.0.sleep(duration.min(Duration::from_millis(50)))
    }
}

#[test]
fn time_is_up_by_the_clock_however_early_a_sleep_ends() {
    paused(async {
        let (queue, clients) = queue(1, 1);
        let timer = Early(TokioTimer::default());
        let version = publish(&queue, clients[0], 1);
        let lease = queue.try_lease().unwrap();
        let start = Instant::now();
        let within = Duration::from_secs(2);
        assert!(queue.converged_within(version, &timer, within).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 2);
        let later = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.converged_within(version, &timer, within).await }
        });
        sleep(Duration::from_secs(1)).await;
        lease.complete();
        assert_eq!(later.await.unwrap().unwrap().completed, 1);
    });
}

#[test]
fn embassys_clock_sleeps_for_as_long_as_it_can_count() {
    while EmbassyTimer.now().is_zero() {
        std::thread::yield_now();
    }
    // Made, which is when it computes when to wake; only its own executor can poll it.
    drop(EmbassyTimer.sleep(Duration::MAX));
}

#[test]
fn a_queue_that_was_never_closed_is_not_drained() {
    let (queue, clients) = queue(1, 1);
    let open = queue.wait_drained(Duration::from_millis(1)).unwrap_err();
    assert_eq!((open.clients(), &*open.to_string()), (&[][..], "the queue has not been closed"));
    publish(&queue, clients[0], 1);
    queue.close();
    let unserved = queue.wait_drained(Duration::from_millis(1)).unwrap_err();
    assert_eq!(unserved.to_string(), "1 client has not got all that it is owed");
    queue.try_lease().unwrap().complete();
    assert_eq!(queue.wait_drained(Duration::ZERO), Ok(()));
}
