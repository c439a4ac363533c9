//! 9. A lease ends once: its place and its permit come back once, whatever else ends meanwhile.

use std::sync::Arc;

use crate::model::{drain, explore, on, race};
use pushlane::backlog::Bits;
use pushlane::{Config, Lane, PushQueue, RegisterError, Target};

/// A lease that ends, however, while its client leaves and others publish.
fn a_lease_ends_while_its_client_leaves(completes: bool) {
    explore(2, move || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1).permits(1)));
        let client = queue.register_with(Lane::Normal, [1]).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        race((
            move || if completes { lease.complete() } else { lease.requeue() },
            on(&queue, move |queue| queue.unregister(client).unwrap()),
            on(&queue, move |queue| {
                let _ = queue.publish(Target::One(client), Lane::Urgent, [2]);
            }),
        ));
        assert_eq!((queue.clients(), queue.permits_held()), (0, 0));
        assert!(queue.try_lease().is_none());
        let successor = queue.register_with(Lane::Normal, [4]).unwrap();
        assert_eq!(queue.register(), Err(RegisterError::Full), "the place came back once");
        let lease = queue.try_lease().expect("queued");
        assert_eq!((lease.key(), *lease.request()), (successor, [4]));
        lease.complete();
    });
}

#[test]
fn lease_ends_once_completing() {
    a_lease_ends_while_its_client_leaves(true);
}

#[test]
fn lease_ends_once_requeueing() {
    a_lease_ends_while_its_client_leaves(false);
}

/// Giving back against a publish: the request comes again, whole, and once.
#[test]
fn lease_ends_once_and_comes_again() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1).permits(1)));
        let client = queue.register_with(Lane::Normal, [1]).unwrap();
        let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("queued");
        let (_, (mut leases, mut delivered)) = race((
            move || drop(lease),
            on(&queue, move |queue| {
                queue.publish(Target::One(client), Lane::Normal, [2]).unwrap();
                let mut delivered = 0;
                (drain(queue, |[flags]| delivered += flags), delivered)
            }),
        ));
        leases += drain(&queue, |[flags]| delivered += flags);
        assert_eq!(delivered, 3, "each request once");
        assert!(leases <= 2);
        assert_eq!(queue.permits_held(), 0);
    });
}
