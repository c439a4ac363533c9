//! Batches: what one lease promises holds for each lease of a batch.

use std::sync::Arc;

use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Target};

fn queue(clients: usize, permits: usize) -> (Arc<PushQueue<Dirty>>, Vec<ClientKey>) {
    let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(clients).permits(permits)));
    let clients = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

fn publish(queue: &PushQueue<Dirty>, clients: &[ClientKey], lane: Lane) {
    for client in clients {
        queue.publish(Target::One(*client), lane, ()).unwrap();
    }
}

/// Completes batches of up to `most` until nothing is ready. Returns their clients.
fn drain(queue: &PushQueue<Dirty>, most: usize) -> Vec<Vec<ClientKey>> {
    std::iter::from_fn(|| {
        let batch = queue.try_lease_batch(most)?;
        let clients = batch.iter().map(|(client, ())| client).collect();
        batch.complete();
        Some(clients)
    })
    .collect()
}

#[test]
fn a_batch_is_of_one_bank_and_no_larger_than_asked_for() {
    let (queue, clients) = queue(3 * SLOTS, 1_000);
    let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let batches = drain(&queue, SLOTS - 3);
    assert_eq!(batches.concat(), clients, "each once, in order");
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [SLOTS - 3, 3].repeat(3));
    assert!(queue.is_converged(version));
    assert_eq!(queue.permits_held(), 0);
}

#[test]
fn one_at_a_time_in_the_same_order() {
    let (queue, clients) = queue(2 * SLOTS, 8);
    publish(&queue, &clients, Lane::Normal);
    let one_by_one = drain(&queue, 1);
    assert_eq!(one_by_one.concat(), clients);
    assert!(one_by_one.iter().all(|batch| batch.len() == 1));
}

#[test]
fn nothing_is_leased_for_nothing() {
    let (queue, clients) = queue(2, 2);
    assert!(queue.try_lease_batch(5).is_none(), "nobody is ready");
    publish(&queue, &clients, Lane::Normal);
    assert!(queue.try_lease_batch(0).is_none());
    queue.set_permits(0);
    assert!(queue.try_lease_batch(5).is_none(), "no permit");
    assert_eq!(queue.permits_held(), 0);
}

#[test]
fn no_more_is_leased_than_there_are_permits() {
    let (queue, clients) = queue(SLOTS, 5);
    publish(&queue, &clients, Lane::Normal);
    let first = queue.try_lease_batch(3).unwrap();
    let second = queue.try_lease_batch(3).unwrap();
    assert_eq!((first.len(), second.len(), queue.permits_held()), (3, 2, 5));
    assert!(queue.try_lease_batch(3).is_none());
    first.complete();
    assert_eq!(queue.permits_held(), 2);
    second.complete();
    assert_eq!(queue.permits_held(), 0);
    assert_eq!(drain(&queue, SLOTS).concat(), clients[5..]);
}

#[test]
fn a_permit_that_no_client_needs_is_not_kept() {
    let (queue, clients) = queue(SLOTS, 5);
    publish(&queue, &clients[..2], Lane::Normal);
    let batch = queue.try_lease_batch(4).unwrap();
    assert_eq!((batch.len(), queue.permits_held()), (2, 2));
    batch.complete();
}

#[test]
fn what_comes_meanwhile_waits() {
    let (queue, clients) = queue(4, 8);
    publish(&queue, &clients, Lane::Normal);
    let batch = queue.try_lease_batch(4).unwrap();
    publish(&queue, &clients[1..3], Lane::Normal);
    assert!(queue.try_lease_batch(4).is_none(), "one push in flight a client");
    batch.complete();
    assert_eq!(drain(&queue, 4), [&clients[1..3]]);
}

#[test]
fn what_a_batch_contained_has_converged_though_more_is_pending() {
    let (queue, clients) = queue(2, 8);
    let contained = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let batch = queue.try_lease_batch(2).unwrap();
    publish(&queue, &clients, Lane::Normal);
    assert!(!queue.is_converged(contained));
    batch.complete();
    assert!(queue.is_converged(contained));
    assert_eq!(queue.waiting(), 2);
}

#[test]
fn a_batch_that_is_dropped_goes_back() {
    let (queue, clients) = queue(5, 8);
    let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    drop(queue.try_lease_batch(3).unwrap());
    queue.try_lease_batch(5).unwrap().requeue();
    assert_eq!(queue.permits_held(), 0);
    assert!(!queue.is_converged(version));
    let mut served = drain(&queue, 5).concat();
    served.sort();
    assert_eq!(served, clients);
    assert!(queue.is_converged(version));
}

#[test]
fn a_batch_can_be_taken_apart() {
    let (queue, clients) = queue(4, 8);
    publish(&queue, &clients, Lane::Normal);
    let batch = PushQueue::try_lease_batch_from(Arc::clone(&queue), 4).unwrap();
    let mut leases = batch.into_leases();
    let first = leases.next().unwrap();
    let second = leases.next().unwrap();
    drop(leases); // the other two go back
    assert_eq!((first.key(), second.key(), queue.permits_held()), (clients[0], clients[1], 2));
    first.complete();
    std::thread::spawn(move || second.complete()).join().unwrap();
    assert_eq!(drain(&queue, 4), [&clients[2..]]);
}

#[test]
fn who_leaves_meanwhile_gives_its_place_up_with_the_batch() {
    let (queue, clients) = queue(3, 8);
    publish(&queue, &clients, Lane::Normal);
    let batch = queue.try_lease_batch(3).unwrap();
    queue.unregister(clients[1]).unwrap();
    assert!(queue.register().is_err(), "its push is in progress");
    batch.complete();
    assert_eq!((queue.clients(), queue.permits_held()), (2, 0));
    let next = queue.register().unwrap();
    assert_eq!(next.index(), clients[1].index());
}

/// The urgent lane gets four leases for one of the normal lane, also by the batch.
#[test]
fn the_lanes_keep_their_ratio() {
    let (queue, clients) = queue(4 * SLOTS, 1_000);
    let (urgent, normal) = clients.split_at(2 * SLOTS);
    publish(&queue, urgent, Lane::Urgent);
    publish(&queue, normal, Lane::Normal);
    let mut in_a_row = 0;
    let mut left = urgent.len();
    for batch in drain(&queue, SLOTS) {
        if left == 0 {
            break;
        }
        if urgent.contains(&batch[0]) {
            in_a_row += batch.len();
            left -= batch.len();
            assert!(in_a_row <= 4, "normal work waits too long");
        } else {
            assert_eq!(batch.len(), 1, "urgent work waits too long");
            in_a_row = 0;
        }
    }
    assert_eq!(left, 0);
}

/// Workers mark the clients of a publish to everyone without a payload lazily.
#[test]
fn the_lanes_keep_their_ratio_beside_a_fan_out_that_nobody_has_expanded() {
    let config = Config::new(2 * SLOTS).permits(1_000).urgent_ratio(1);
    let queue = PushQueue::<Dirty>::new(config);
    let clients: Vec<ClientKey> = (0..2 * SLOTS).map(|_| queue.register().unwrap()).collect();
    publish(&queue, &clients[..SLOTS], Lane::Urgent);
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    let first = queue.try_lease_batch(SLOTS).unwrap();
    assert_eq!(first.len(), 1, "one urgent lease, then a normal one");
}
