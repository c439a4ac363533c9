//! The tokio adapter alone: handlers are dropped, and runtimes shut down.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::rig::{Log, Push, Rig, Tokio, options, publish_to_all, queue};

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Logs when it is dropped.
struct OnDrop<F: Fn(())>(F);

impl<F: Fn(())> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)(());
    }
}

#[test]
fn the_handler_is_dropped_at_its_deadline_even_after_it_has_completed() {
    let (queue, clients) = queue(1, 1);
    let (log, dropped) = Log::new();
    paused().block_on(async {
        let dispatcher = options(&queue).deadline(Tokio::LIMIT).start(move |push: Push| {
            let tell = OnDrop(log.clone());
            async move {
                push.detach().complete();
                std::future::pending::<()>().await;
                drop(tell);
                Ok(())
            }
        });
        publish_to_all(&queue, 1);
        dropped.next().await;
        assert!(queue.is_registered(clients[0]));
        assert!(dispatcher.drain(Duration::MAX).await.is_ok());
    });
}

#[test]
fn a_runtime_that_shuts_down_loses_nothing() {
    let (queue, clients) = queue(5, 2);
    let (log, begun) = Log::new();
    let runtime = paused();
    let dispatcher = runtime.block_on(async {
        let handler = move |push: Push| {
            log(push.key());
            async move {
                std::future::pending::<()>().await;
                drop(push);
                Ok(())
            }
        };
        let dispatcher = options(&queue).start(handler);
        publish_to_all(&queue, 1);
        begun.take(2).await;
        dispatcher
    });
    drop(runtime);
    assert_eq!(queue.permits_held(), 0);
    let left = std::iter::from_fn(|| {
        queue.try_lease().map(|lease| {
            lease.complete();
        })
    });
    assert_eq!(left.count(), clients.len());
    drop(dispatcher);
}

#[test]
fn a_drain_that_the_runtime_cuts_short_says_so() {
    let (queue, clients) = queue(1, 0);
    let runtime = paused();
    let dispatcher = runtime.block_on(async { options(&queue).start(|_push| async { Ok(()) }) });
    publish_to_all(&queue, 1);
    drop(runtime);
    assert_eq!(paused().block_on(dispatcher.drain(Duration::MAX)).unwrap_err().clients(), clients);
}

#[test]
#[should_panic(expected = "timer")]
fn a_runtime_without_a_timer_is_refused_at_the_start() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (queue, _) = queue(1, 1);
    runtime.block_on(async {
        drop(options(&queue).start(|_push| async { Ok(()) }));
    });
}

#[test]
fn handlers_in_one_queue_run_side_by_side() {
    let (queue, _) = queue(3, 3);
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    paused().block_on(async {
        let dispatcher = options(&queue).deadline(Tokio::LIMIT).start(move |push: Push| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                drop(push);
                Ok(())
            }
        });
        let version = publish_to_all(&queue, 1);
        queue.converged(version).await;
        assert!(dispatcher.drain(Duration::MAX).await.is_ok());
        assert_eq!(queue.clients(), 3);
    });
}
