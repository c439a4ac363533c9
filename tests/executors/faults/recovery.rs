//! What must be true after any fault.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pushlane::Lane;
use smol::future::yield_now;

use crate::ledger::Ledger;
use crate::rig::{Queue, Rig};

/// Serves on, if it is open; ends in good order; and then nothing is lost for those who are still
/// there, all permits and places are back, everything has converged, and nothing stays in memory.
///
/// Handlers that hang must have been let go.
pub(crate) async fn assert_recovered<R: Rig>(queue: Queue, rig: R, ledger: Arc<Ledger>) {
    let closed = queue.is_closed();
    if !closed {
        let version = ledger.publish(&queue, None, Lane::Normal).unwrap();
        queue.converged(version).await;
    }
    assert!(rig.drain().await, "everything is served");
    assert_eq!(queue.permits_held(), 0, "all permits are back");
    ledger.assert_nothing_lost(&queue);
    // A publish that was under way when the queue was closed is refused, and may mark clients after
    // the queue was found drained.
    while let Some(refused) = queue.try_lease().filter(|_| closed) {
        refused.complete();
    }
    assert!(queue.is_drained());
    // Threads, tasks, deadlines and pushes hold a handle to the queue each. A client that was
    // evicted gives its place up when its push ends, which nobody waits for.
    eventually("whatever served the queue is gone", || Arc::strong_count(&queue) == 1).await;
    ledger.assert_no_place_taken(&queue);
    // A publish that raced with a departure may have left its request in the vacant place.
    let vacant = queue.capacity() - queue.clients();
    let left = ledger.requests();
    assert!(left <= vacant, "{left} requests in {vacant} vacant places");
    drop(queue);
    assert_eq!(ledger.requests(), 0, "nothing stays in memory");
}

/// Waits for what other threads do after the last event that there is to wait for.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        yield_now().await;
        thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}");
}
