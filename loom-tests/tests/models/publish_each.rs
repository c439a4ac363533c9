//! A publish to a list of clients is one publish to each of them.

use std::sync::Arc;

use crate::model::{Queue, drain, explore, on, pause, race};
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use pushlane::backlog::{Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PublishErrorKind, PushQueue, VersionSet};

/// A queue of one bank, and what its clients have got.
struct Watched {
    queue: Queue<Bits<1>>,
    clients: Vec<ClientKey>,
    delivered: Vec<AtomicU32>,
}

impl Watched {
    /// The first client has something pending.
    fn new(clients: usize) -> Arc<Watched> {
        let queue = PushQueue::new(Config::new(clients));
        let mut keys = vec![queue.register_with(Lane::Normal, [1]).unwrap()];
        keys.extend((1..clients).map(|_| queue.register().unwrap()));
        let delivered = keys.iter().map(|_| AtomicU32::new(0)).collect();
        Arc::new(Watched { queue, clients: keys, delivered })
    }

    fn push(&self) {
        let Some(lease) = self.queue.try_lease() else { return };
        self.delivered[lease.key().index()].fetch_or(lease.request()[0], Relaxed);
        pause();
        lease.complete();
    }

    fn publish(&self, clients: &[ClientKey]) -> VersionSet {
        self.queue.publish_each(clients, Lane::Normal, [2]).unwrap()
    }

    fn assert_delivered(&self, what: &str) {
        for delivered in &self.delivered {
            assert!(delivered.load(Relaxed) & 2 != 0, "{what}");
        }
    }
}

#[test]
fn a_list_is_delivered() {
    explore(2, || {
        let watched = Watched::new(2);
        let (versions, ()) = race((
            on(&watched, |watched| watched.publish(&watched.clients)),
            on(&watched, |watched| watched.push()),
        ));
        for _ in 0..3 {
            watched.push();
        }
        assert!(watched.queue.try_lease().is_none() && watched.queue.is_converged(&versions));
        watched.assert_delivered("lost");
    });
}

/// The push in progress does not contain what is published meanwhile.
#[test]
fn a_list_does_not_converge_early() {
    explore(3, || {
        let watched = Watched::new(1);
        race((
            on(&watched, |watched| {
                let versions = watched.publish(&watched.clients);
                pause();
                if watched.queue.is_converged(&versions) {
                    watched.assert_delivered("converged, and not delivered");
                }
            }),
            on(&watched, |watched| watched.push()),
        ));
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
