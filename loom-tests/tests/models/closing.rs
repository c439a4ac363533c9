//! Closing: what was accepted is delivered before the queue is drained, and the rest is refused.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, race};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use pushlane::backlog::{Backlog, Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PublishErrorKind, PushQueue, RegisterError, Target};

/// When the queue is drained, every accepted publish has been delivered.
fn drained_is_not_said_early<B>(to_one: bool, request: fn() -> B::Request)
where
    B: Backlog + Default + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(3, move || {
        let queue: Arc<Queue<B>> = Arc::new(PushQueue::new(Config::new(1)));
        let client = queue.register().unwrap();
        let target = if to_one { Target::One(client) } else { Target::Everyone };
        let (published, (drained, pushes)) = race((
            on(&queue, move |queue| {
                let published = queue.publish(target, Lane::Normal, request());
                published.map(|_| ()).map_err(|error| error.kind)
            }),
            on(&queue, |queue| {
                queue.close();
                let mut pushes = 0;
                for _ in 0..2 {
                    pause();
                    if queue.is_drained() {
                        return (true, pushes);
                    }
                    pushes += drain(queue, |_| ());
                }
                (false, pushes)
            }),
        ));
        match published {
            Ok(()) => assert!(!drained || pushes == 1, "drained, and not delivered"),
            Err(kind) => assert_eq!(kind, PublishErrorKind::Closed),
        }
        drain(&queue, |_| ());
        assert!(queue.is_drained(), "also after a refused publish has marked the client");
    });
}

#[test]
fn drained_is_not_said_before_a_request_is_delivered() {
    drained_is_not_said_early::<Bits<1>>(false, || [1]);
}

#[test]
fn drained_is_not_said_before_a_request_is_delivered_to_one() {
    drained_is_not_said_early::<Dirty>(true, || ());
}

#[test]
fn drained_is_not_said_before_a_fan_out_is_delivered() {
    drained_is_not_said_early::<Dirty>(false, || ());
}

/// The drain waits for a push that is pending or in progress when the queue is closed.
fn drained_sees_the_last_push(before: fn(&Queue<Dirty>, ClientKey)) {
    explore(3, move || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        before(&queue, client);
        let pushed = Arc::new(AtomicUsize::new(0));
        let push = Arc::clone(&pushed);
        race((
            on(&queue, move |queue| {
                let lease = queue.try_lease().expect("pending");
                push.store(1, Relaxed);
                pause();
                lease.complete();
            }),
            on(&queue, move |queue| {
                queue.close();
                pause();
                if queue.is_drained() {
                    assert_eq!(pushed.load(Relaxed), 1, "drained, and not delivered");
                }
            }),
        ));
        assert!(queue.is_drained());
    });
}

#[test]
fn drained_sees_the_last_push_of_a_client() {
    drained_sees_the_last_push(|queue, client| {
        queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
    });
}

#[test]
fn drained_sees_the_last_push_of_a_fan_out() {
    drained_sees_the_last_push(|queue, _| {
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    });
}

/// A newcomer with a request counts as a publish.
#[test]
fn a_newcomer_is_delivered_or_refused() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        let (newcomer, drained) = race((
            on(&queue, |queue| queue.register_with(Lane::Normal, [1])),
            on(&queue, |queue| {
                queue.close();
                pause();
                queue.is_drained()
            }),
        ));
        match newcomer {
            Ok(_) => assert!(!drained, "accepted before, and not delivered"),
            Err(reason) => {
                assert_eq!(reason, RegisterError::Closed);
                assert_eq!(queue.clients(), 0);
            }
        }
        drain(&queue, |_| ());
        assert!(queue.is_drained());
    });
}

/// A publisher that is refused sees what was done before `close`, which may say why.
fn a_refusal_comes_with_what_was_done_before_closing(to_one: bool) {
    explore(2, move || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let target = if to_one { Target::One(client) } else { Target::Everyone };
        let state = Arc::new(AtomicUsize::new(0));
        let read = Arc::clone(&state);
        race((
            on(&queue, move |queue| {
                state.store(1, Relaxed);
                queue.close();
            }),
            on(&queue, move |queue| {
                if queue.publish(target, Lane::Normal, [1]).is_err() {
                    assert_eq!(read.load(Relaxed), 1);
                }
            }),
        ));
    });
}

#[test]
fn a_refusal_to_publish_to_all_comes_with_what_was_done_before_closing() {
    a_refusal_comes_with_what_was_done_before_closing(false);
}

#[test]
fn a_refusal_to_publish_to_one_comes_with_what_was_done_before_closing() {
    a_refusal_comes_with_what_was_done_before_closing(true);
}

/// Nothing is served, so the queue is not drained for any thread that finds it closed.
#[test]
fn drained_is_not_said_to_a_thread_that_only_hears_of_closing() {
    explore(2, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register().unwrap();
        race((
            on(&queue, |queue| {
                queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
                queue.close();
            }),
            on(&queue, |queue| assert!(!queue.is_drained())),
        ));
    });
}

/// A thread that is told of the end by another one sees what was done before it.
#[test]
fn a_drained_queue_shows_what_was_done() {
    explore(3, || {
        let queue: Arc<Queue<Dirty>> = Arc::new(PushQueue::new(Config::new(1)));
        queue.register_with(Lane::Normal, ()).unwrap();
        queue.close();
        let world = Arc::new((queue, AtomicUsize::new(0)));
        race((
            on(&world, |world| {
                let (queue, sent) = &**world;
                let lease = queue.try_lease().expect("queued");
                sent.store(1, Relaxed);
                lease.complete();
                assert!(queue.is_drained());
            }),
            on(&world, |world| {
                let (queue, sent) = &**world;
                if queue.is_drained() {
                    assert_eq!(sent.load(Relaxed), 1, "drained, and not sent");
                }
            }),
        ));
    });
}
