//! A publish to a list of clients is one publish to each of them.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, race};
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use pushlane::backlog::{Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PublishErrorKind, PushQueue};

/// A queue of one bank, and what its two clients have got.
struct Watched {
    queue: Queue<Bits<1>>,
    clients: [ClientKey; 2],
    delivered: [AtomicU32; 2],
}

impl Watched {
    fn new() -> Arc<Watched> {
        let queue = PushQueue::new(Config::new(2));
        let clients = [queue.register_with(Lane::Normal, [1]).unwrap(), queue.register().unwrap()];
        Arc::new(Watched { queue, clients, delivered: [(); 2].map(|()| AtomicU32::new(0)) })
    }

    fn push(&self) {
        let Some(lease) = self.queue.try_lease() else { return };
        self.delivered[lease.key().index()].fetch_or(lease.request()[0], Relaxed);
        pause();
        lease.complete();
    }
}

/// The version set has converged only when each client has got the request, and each gets it.
#[test]
fn a_list_is_delivered_and_does_not_converge_early() {
    explore(2, || {
        let watched = Watched::new();
        let (versions, ()) = race((
            on(&watched, |watched| {
                let queue = &watched.queue;
                let versions = queue.publish_each(&watched.clients, Lane::Normal, [2]).unwrap();
                pause();
                if queue.is_converged(&versions) {
                    for delivered in &watched.delivered {
                        assert!(delivered.load(Relaxed) & 2 != 0, "converged, and not delivered");
                    }
                }
                versions
            }),
            on(&watched, |watched| {
                watched.push();
                watched.push();
            }),
        ));
        for _ in 0..3 {
            watched.push();
        }
        assert!(watched.queue.try_lease().is_none() && watched.queue.is_converged(&versions));
        for delivered in &watched.delivered {
            assert!(delivered.load(Relaxed) & 2 != 0, "lost");
        }
    });
}

/// A list that is accepted is delivered before the queue is drained.
#[test]
fn a_list_is_delivered_before_the_drain_ends_or_refused() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1)));
        let client = queue.register().unwrap();
        let (published, drained) = race((
            on(&queue, move |queue| {
                let published = queue.publish_each(&[client], Lane::Normal, ());
                published.map(|_| ()).map_err(|error| error.kind)
            }),
            on(&queue, |queue| {
                queue.close();
                pause();
                queue.is_drained()
            }),
        ));
        match published {
            Ok(()) => assert!(!drained, "drained, and not delivered"),
            Err(kind) => assert_eq!(kind, PublishErrorKind::Closed),
        }
        drain(&queue, |()| ());
        assert!(queue.is_drained());
    });
}
