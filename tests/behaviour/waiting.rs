//! The depth of the queue.

use pushlane::backlog::Bits;
use pushlane::{Config, Lane, PushQueue, Target};

#[test]
fn each_client_with_something_pending_waits_and_no_other() {
    let queue = PushQueue::<Bits<1>>::new(Config::new(40));
    let clients: Vec<_> = (0..40).map(|_| queue.register().unwrap()).collect();
    assert_eq!(queue.waiting(), 0);
    queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
    queue.publish(Target::Everyone, Lane::Urgent, [2]).unwrap();
    assert_eq!(queue.waiting(), 40, "once each, in however many lanes");

    let lease = queue.try_lease().unwrap();
    let leased = lease.key();
    assert_eq!(queue.waiting(), 39);
    queue.publish(Target::One(leased), Lane::Normal, [4]).unwrap();
    assert_eq!(queue.waiting(), 40, "more than what its push contains");
    queue.unregister(leased).unwrap();
    assert_eq!(queue.waiting(), 39, "who has left waits for nothing, also in the middle of a push");
    lease.requeue();
    assert_eq!(queue.waiting(), 39);

    queue.unregister(clients[39]).unwrap();
    while let Some(lease) = queue.try_lease() {
        lease.complete();
    }
    assert_eq!(queue.waiting(), 0);
}
