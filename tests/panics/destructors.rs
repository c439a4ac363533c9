//! Destructors of requests that panic, in each operation that drops one.

use super::rig::{
    Kind, On, Queue, Request, assert_intact, for_each_kind, panic_quietly, panics, publish, queue,
    was_told,
};
use pushlane::backlog::{Journal, Locked};
use pushlane::{Config, Lane, SLOTS, Target};

for_each_kind!(
    unregister,
    complete,
    complete_after_the_client_has_left,
    requeue_after_the_client_has_left,
    a_batch_completes_for_all,
    a_batch_goes_back_for_all,
    a_handler_that_panics_after_its_client_has_left,
    register_after_one_that_left_a_request,
    a_lease_that_ends_while_a_panic_unwinds,
);

fn unregister<B: Kind>() {
    let (queue, clients) = queue::<B>(3, 2);
    let version = publish(&queue, clients[0], 1, On::Drop);
    was_told(&queue);
    panics(|| queue.unregister(clients[0]));
    assert!(queue.is_converged(version) && was_told(&queue));
    assert!(queue.try_lease().is_none());
    assert_intact(&queue, 1);
}

fn complete<B: Kind>() {
    let (queue, clients) = queue::<B>(3, 2);
    let version = publish(&queue, clients[0], 1, On::Drop);
    let lease = queue.try_lease().unwrap();
    let next = publish(&queue, clients[0], 2, On::Nothing);
    was_told(&queue);
    panics(|| lease.complete());
    assert!(queue.is_converged(version) && !queue.is_converged(next) && was_told(&queue));
    let lease = queue.try_lease().expect("what came meanwhile");
    assert_eq!((lease.key(), B::changes(lease.request())), (clients[0], 2));
    lease.complete();
    assert!(queue.is_converged(next));
    assert_intact(&queue, 2);
}

/// What the lease held panics, and so does what came meanwhile.
fn complete_after_the_client_has_left<B: Kind>() {
    for (held, pending) in [(On::Nothing, On::Drop), (On::Drop, On::Nothing), (On::Drop, On::Drop)]
    {
        let (queue, clients) = queue::<B>(2, 1);
        publish(&queue, clients[0], 1, held);
        let lease = queue.try_lease().unwrap();
        let version = publish(&queue, clients[0], 2, pending);
        queue.unregister(clients[0]).unwrap();
        assert!(queue.is_converged(version));
        was_told(&queue);
        panics(|| lease.complete());
        assert!(was_told(&queue));
        assert_eq!((queue.permits_held(), queue.clients()), (0, 0));
        // While the panic of one unwound, the other was left in the vacant slot.
        if (held, pending) == (On::Drop, On::Drop) {
            panics(|| queue.register());
        }
        assert_intact(&queue, 0);
    }
}

fn requeue_after_the_client_has_left<B: Kind>() {
    for (held, pending) in [(On::Nothing, On::Drop), (On::Drop, On::Nothing), (On::Drop, On::Drop)]
    {
        let (queue, clients) = queue::<B>(2, 1);
        publish(&queue, clients[0], 1, held);
        let lease = queue.try_lease().unwrap();
        let version = publish(&queue, clients[0], 2, pending);
        queue.unregister(clients[0]).unwrap();
        panics(|| lease.requeue());
        assert!(queue.is_converged(version));
        assert_intact(&queue, 0);
    }
}

/// Four pushes: of two clients that stay and of two that have left, whose next requests panic as
/// well.
fn batch<B: Kind>(on: On, then: impl FnOnce(pushlane::Batch<&Queue<B>>)) {
    let (queue, clients) = queue::<B>(5, 4);
    queue.set_permits(10);
    let versions: Vec<_> = clients.iter().map(|&client| publish(&queue, client, 1, on)).collect();
    let batch = queue.try_lease_batch(SLOTS).unwrap();
    assert_eq!(batch.len(), 4);
    for &client in &clients[..2] {
        publish(&queue, client, 2, On::Drop);
        queue.unregister(client).unwrap();
    }
    was_told(&queue);
    panics(|| then(batch));
    assert_eq!((queue.permits_held(), queue.clients()), (0, 2));
    while queue.clients() < 5 {
        // A vacant slot may keep a request whose drop panics.
        let registering = std::panic::AssertUnwindSafe(|| queue.register().unwrap());
        if let Ok(client) = std::panic::catch_unwind(registering) {
            assert!(!clients[2..].contains(&client));
        }
    }
    // Those that stay have got it, or get it now.
    for _ in 0..2 {
        let leases = std::iter::from_fn(|| queue.try_lease());
        leases.for_each(|lease| {
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lease.complete())))
        });
    }
    assert!(versions.iter().all(|&version| queue.is_converged(version)));
    assert_intact(&queue, 5);
}

fn a_batch_completes_for_all<B: Kind>() {
    for on in [On::Nothing, On::Drop] {
        batch::<B>(on, |batch| batch.complete());
    }
}

fn a_batch_goes_back_for_all<B: Kind>() {
    for on in [On::Nothing, On::Drop] {
        batch::<B>(on, |batch| batch.requeue());
    }
}

/// The lease is dropped while the handler's panic unwinds: the request's destructor must not run
/// then.
fn a_handler_that_panics_after_its_client_has_left<B: Kind>() {
    let (queue, clients) = queue::<B>(1, 1);
    publish(&queue, clients[0], 1, On::Drop);
    let lease = queue.try_lease().unwrap();
    publish(&queue, clients[0], 2, On::Drop);
    panics(|| {
        let _lease = lease;
        queue.unregister(clients[0]).unwrap();
        panic_quietly();
    });
    assert_eq!((queue.permits_held(), queue.clients()), (0, 0));
    panics(|| queue.register());
    assert_intact(&queue, 0);
}

fn register_after_one_that_left_a_request<B: Kind>() {
    a_handler_that_panics_after_its_client_has_left::<B>();
    // And with a request of its own.
    let (queue, clients) = queue::<B>(1, 1);
    publish(&queue, clients[0], 1, On::Drop);
    let lease = queue.try_lease().unwrap();
    panics(|| {
        let _lease = lease;
        queue.unregister(clients[0]).unwrap();
        panic_quietly();
    });
    panics(|| queue.register_with(Lane::Normal, B::request(2, On::Nothing)));
    assert_eq!(queue.clients(), 0);
    let client = queue.register_with(Lane::Normal, B::request(2, On::Nothing)).unwrap();
    let lease = queue.try_lease().unwrap();
    assert_eq!((lease.key(), B::changes(lease.request())), (client, 2), "and nothing else");
    lease.complete();
    assert_intact(&queue, 1);
}

fn a_lease_that_ends_while_a_panic_unwinds<B: Kind>() {
    struct Completes<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for Completes<F> {
        fn drop(&mut self) {
            self.0.take().unwrap()();
        }
    }

    let (queue, clients) = queue::<B>(2, 1);
    let version = publish(&queue, clients[0], 1, On::Nothing);
    let lease = queue.try_lease().unwrap();
    panics(|| {
        let _completes = Completes(Some(|| lease.complete()));
        panic_quietly();
    });
    assert!(queue.is_converged(version));
    assert_intact(&queue, 1);
}

#[test]
fn a_first_request_is_dropped_before_the_client_is_there() {
    let (queue, _) = queue::<Locked<Request>>(2, 0);
    for _ in 0..3 {
        let request = Request::new(1, On::Drop, On::Nothing);
        panics(|| queue.register_with(Lane::Normal, request));
        assert!(queue.try_lease().is_none());
        assert_intact(&queue, 0);
    }
}

/// The publisher's own request is dropped when the publish is done.
#[test]
fn a_publish_whose_request_panics_in_the_end_is_done() {
    let (queue, clients) = queue::<Locked<Request>>(3, 3);
    for target in [Target::Everyone, Target::One(clients[1])] {
        let request = Request::new(1, On::Drop, On::Nothing);
        let before =
            queue.publish(Target::One(clients[0]), Lane::Normal, Locked::request(1, On::Nothing));
        panics(|| queue.publish(target, Lane::Normal, request));
        let served = std::iter::from_fn(|| queue.try_lease()).map(|lease| lease.complete()).count();
        assert_eq!(served, if target == Target::Everyone { 3 } else { 2 });
        assert!(queue.is_converged(before.unwrap()));
        assert_intact(&queue, 3);
    }
}

/// An entry that falls off the ring is dropped when the publish that replaces it is done.
#[test]
fn a_publish_that_replaces_an_entry_which_panics_is_done() {
    let queue = Queue::<Journal<Locked<Request>, 4>>::new(Config::new(2).permits(2));
    let client = queue.register().unwrap();
    let publish = |request| queue.publish(Target::Everyone, Lane::Normal, request);
    for on in [On::Drop, On::Nothing, On::Nothing, On::Nothing] {
        publish(Request::new(1, on, On::Nothing)).unwrap();
    }
    queue.try_lease().unwrap().complete();
    assert!(queue.try_lease().is_none());
    panics(|| publish(Request::new(2, On::Nothing, On::Nothing)));
    let lease = queue.try_lease().expect("the publish is done");
    assert_eq!((lease.key(), lease.request().changes), (client, 2));
    lease.complete();
    assert_intact(&queue, 1);
}
