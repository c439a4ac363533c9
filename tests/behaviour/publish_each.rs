//! A publish to a list of clients is one to each of them.

use pushlane::backlog::{Backlog, Bits, Dirty};
use pushlane::{ClientKey, Config, Lane, PublishErrorKind, PushQueue, SLOTS};

fn queue<B: Backlog + Default>(clients: usize) -> (PushQueue<B>, Vec<ClientKey>) {
    let queue = PushQueue::new(Config::new(clients));
    let keys = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, keys)
}

#[test]
fn each_of_the_list_gets_it_and_nobody_else() {
    let (queue, clients) = queue::<Bits<1>>(4 * SLOTS);
    let list = [0, 1, SLOTS + 2, 2, 3 * SLOTS, 3 * SLOTS + 5].map(|place| clients[place]);
    let change = queue.publish_each(&list, Lane::Urgent, [1]).unwrap();
    assert_eq!((change.stale(), queue.waiting()), (0, list.len()));
    let mut served = Vec::new();
    while let Some(lease) = queue.try_lease() {
        assert_eq!((*lease.request(), lease.lane()), ([1], Lane::Urgent));
        assert!(!queue.is_converged(&change));
        served.push(lease.key());
        lease.complete();
    }
    served.sort();
    let mut list = list;
    list.sort();
    assert_eq!(served, list);
    assert!(queue.is_converged(&change));
}

#[test]
fn who_has_left_is_counted_and_harms_nobody() {
    let (queue, clients) = queue::<Bits<1>>(SLOTS + 1);
    let foreign = self::queue::<Dirty>(4 * SLOTS).1[4 * SLOTS - 1];
    queue.unregister(clients[1]).unwrap();
    queue.unregister(clients[SLOTS]).unwrap();
    let next = queue.register().unwrap();
    let list = [clients[0], clients[1], foreign, clients[SLOTS], clients[2]];
    let change = queue.publish_each(&list, Lane::Normal, [1]).unwrap();
    assert_eq!(change.stale(), 3);
    assert!(queue.laggards(&change).eq([clients[0], clients[2]]));
    assert_eq!(queue.waiting(), 2, "not {next}");
    let nobody = queue.publish_each(&[clients[1]], Lane::Normal, [1]).unwrap();
    assert_eq!((nobody.stale(), nobody.is_empty()), (1, true));
    assert!(queue.is_converged(nobody));
    // Joined, they are counted together.
    let mut joined = queue.publish_each(&[clients[0], foreign], Lane::Normal, [2]).unwrap();
    joined.join(change);
    assert_eq!((joined.stale(), queue.track(&joined).recipients()), (4, 2));
}

/// As of a publish to one: the push in progress does not contain it.
#[test]
fn it_waits_for_the_push_that_contains_it() {
    let (queue, clients) = queue::<Bits<1>>(2);
    queue.publish_each(&clients, Lane::Normal, [1]).unwrap();
    let lease = queue.try_lease().unwrap();
    let change = queue.publish_each(&clients, Lane::Normal, [2]).unwrap();
    let twice = [clients[1], clients[0], clients[1]];
    let same = queue.publish_each(&twice, Lane::Normal, [2]).unwrap();
    lease.complete();
    queue.try_lease().unwrap().complete();
    for set in [&change, &same] {
        assert!(queue.laggards(set).eq([clients[0]]), "the other one got all of it");
        assert_eq!(queue.track(set).recipients(), 2);
    }
    assert_eq!(*queue.try_lease().unwrap().request(), [2]);
}

#[test]
fn a_closed_queue_gives_the_request_back() {
    let (queue, clients) = queue::<Bits<1>>(2);
    queue.close();
    let refused = queue.publish_each(&clients, Lane::Normal, [7]).unwrap_err();
    assert_eq!((refused.kind, refused.request), (PublishErrorKind::Closed, [7]));
    assert_eq!(queue.waiting(), 0);
}
