//! 5. Permits are conserved: free + held = limit, after completion, requeue, eviction and resize.

use std::sync::Arc;

use crate::model::{Queue, explore, on, pause, quick_or, race};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use pushlane::backlog::{Bits, Dirty};
use pushlane::{Config, Lane, PushQueue, SLOTS, Target};

/// The ways a lease may end, against a resize.
#[test]
fn permits_conserved_while_the_limit_changes() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Bits<1>>::new(Config::new(1).permits(1)));
        queue.register_with(Lane::Normal, [1]).unwrap();
        race((
            on(&queue, |queue| {
                drop(queue.try_lease());
                if let Some(mut lease) = queue.try_lease() {
                    lease.release_permit();
                    pause();
                    lease.complete();
                }
            }),
            on(&queue, |queue| {
                queue.set_permits(2);
                pause();
                queue.set_permits(1);
            }),
        ));
        assert_eq!((queue.permits_held(), queue.permits()), (0, 1));
        let lease = queue.try_lease();
        assert_eq!(queue.permits_held(), usize::from(lease.is_some()));
        drop(lease);
    });
}

/// Never more pushes at once than there are permits.
#[test]
fn permits_bound_the_pushes_in_progress() {
    struct Counted {
        queue: Queue<Bits<1>>,
        pushing: AtomicUsize,
    }
    fn push(counted: &Arc<Counted>) {
        if let Some(lease) = counted.queue.try_lease() {
            assert_eq!(counted.pushing.fetch_add(1, AcqRel), 0);
            counted.pushing.fetch_sub(1, AcqRel);
            lease.complete();
        }
    }
    explore(quick_or(2, 1), || {
        let queue = PushQueue::new(Config::new(2).permits(1));
        for _ in 0..2 {
            queue.register_with(Lane::Normal, [1]).unwrap();
        }
        let counted = Arc::new(Counted { queue, pushing: AtomicUsize::new(0) });
        race((
            on(&counted, push),
            on(&counted, push),
            on(&counted, |counted| {
                counted.queue.publish(Target::Everyone, Lane::Normal, [2]).unwrap();
            }),
        ));
        assert_eq!(counted.queue.permits_held(), 0);
    });
}

/// The client is evicted while it is pushed to; its permit was taken out and comes back elsewhere.
#[test]
fn permits_conserved_through_an_eviction() {
    explore(3, || {
        let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(1).permits(1)));
        let client = queue.register_with(Lane::Normal, ()).unwrap();
        let (permit, _) = race((
            on(&queue, |queue| {
                let mut lease = PushQueue::try_lease_from(Arc::clone(queue))?;
                let permit = lease.take_permit();
                assert!(lease.take_permit().is_none(), "one permit a lease");
                lease.release_permit();
                drop(lease);
                permit
            }),
            on(&queue, move |queue| queue.unregister(client).unwrap()),
        ));
        assert_eq!(queue.permits_held(), usize::from(permit.is_some()));
        drop(permit);
        assert_eq!((queue.permits_held(), queue.clients()), (0, 0));
    });
}

/// A permit passes on what was done under it: with one permit, pushes exclude one another. The
/// clients are of two banks, so that nothing else orders them.
#[test]
fn permits_pass_on_what_was_done_under_them() {
    struct Guarded {
        queue: Queue<Dirty>,
        data: UnsafeCell<usize>,
    }
    // SAFETY: that the accesses to the data don't overlap is what the model checks.
    unsafe impl Sync for Guarded {}

    fn push(guarded: &Arc<Guarded>) {
        if let Some(lease) = guarded.queue.try_lease() {
            // SAFETY: the caller has the only permit; loom checks that nobody else is here.
            guarded.data.with_mut(|data| unsafe { *data += 1 });
            lease.complete();
        }
    }

    explore(1, || {
        let queue = PushQueue::new(Config::new(SLOTS + 1).permits(1));
        let clients = [(); SLOTS + 1].map(|()| queue.register().unwrap());
        for client in [clients[0], clients[SLOTS]] {
            queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        }
        let guarded = Arc::new(Guarded { queue, data: UnsafeCell::new(0) });
        race((on(&guarded, push), on(&guarded, push)));
    });
}

/// A permit that a larger limit has made comes with what was done before the limit was set.
#[test]
fn permits_come_with_what_was_done_before_there_were_any() {
    struct World {
        queue: Queue<Dirty>,
        state: AtomicUsize,
    }
    explore(2, || {
        let queue = PushQueue::new(Config::new(1).permits(0));
        queue.register_with(Lane::Normal, ()).unwrap();
        let world = Arc::new(World { queue, state: AtomicUsize::new(0) });
        race((
            on(&world, |world| {
                world.state.store(1, Relaxed);
                world.queue.set_permits(1);
            }),
            on(&world, |world| {
                if let Some(lease) = world.queue.try_lease() {
                    assert_eq!(world.state.load(Relaxed), 1);
                    lease.complete();
                }
            }),
        ));
    });
}
