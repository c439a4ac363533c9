//! Closing: what was accepted is delivered before the queue is drained, and the rest is refused.

mod model;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use model::{drain, explore};
use pushlane::backlog::{Bits, Dirty};
use pushlane::{Config, Lane, PushQueue, Refusal, RegisterError, Target};

/// Whoever finds the queue drained has seen every publish that was accepted.
#[test]
fn drained_is_not_said_early() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        queue.register().unwrap();
        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.publish(Target::Everyone, Lane::Normal, [1]).map_err(|error| error.reason)
        });
        queue.close();
        let mut delivered = 0;
        let mut drained = false;
        for _ in 0..2 {
            drained |= queue.is_drained();
            if !drained {
                drain(&queue, |[flags]| delivered |= flags);
            }
        }
        match publisher.join().unwrap() {
            Ok(_) => assert!(!drained || delivered == 1, "drained, and not delivered"),
            Err(reason) => assert_eq!(reason, Refusal::Closed),
        }
        drain(&queue, |_| ());
        assert!(queue.is_drained());
    });
}

/// A publish that is refused may queue a client after the queue was drained, and this must not hide what
/// is documented: it is drained again once that push has ended.
#[test]
fn drained_again_after_a_refused_publish() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        queue.register().unwrap();
        let publisher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.publish(Target::Everyone, Lane::Normal, ()).is_ok()
        });
        queue.close();
        let drained = queue.is_drained();
        let accepted = publisher.join().unwrap();
        if drained && accepted {
            unreachable!("accepted before the queue was closed, and not pending");
        }
        let refused = drain(&queue, |()| ());
        assert!(refused <= 1 && queue.is_drained());
    });
}

/// A push that is under way when the queue is closed is waited for.
#[test]
fn drained_sees_the_last_push() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        queue.register_with(Lane::Normal, ()).unwrap();
        let pushed = Arc::new(AtomicUsize::new(0));
        let worker = thread::spawn({
            let (queue, pushed) = (Arc::clone(&queue), Arc::clone(&pushed));
            move || {
                let lease = queue.try_lease().expect("queued");
                pushed.store(1, Relaxed);
                lease.complete();
            }
        });
        queue.close();
        if queue.is_drained() {
            assert_eq!(pushed.load(Relaxed), 1);
        }
        worker.join().unwrap();
        assert!(queue.is_drained());
    });
}

/// A newcomer with a request counts as a publish.
#[test]
fn a_newcomer_is_delivered_or_refused() {
    explore(4, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1)));
        let newcomer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.register_with(Lane::Normal, [1])
        });
        queue.close();
        let mut delivered = 0;
        let drained = queue.is_drained();
        if !drained {
            drain(&queue, |[flags]| delivered |= flags);
        }
        match newcomer.join().unwrap() {
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
