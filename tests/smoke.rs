//! The shortest way through the whole queue, over every backlog.

use std::sync::Arc;

use pushlane::backlog::{Bits, ChangeSet, Dirty, Locked, Shared};
use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic};

#[test]
fn a_publish_is_leased_once_however_often_it_was_made() {
    let queue = PushQueue::<Dirty>::new(Config::new(100));
    let clients: Vec<_> = (0..100).map(|_| queue.register().unwrap()).collect();
    for _ in 0..3 {
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    }
    let mut served = Vec::new();
    while let Some(lease) = queue.try_lease() {
        served.push(lease.key());
        lease.complete();
    }
    assert_eq!(served, clients);
}

#[test]
fn requests_merge_in_every_backlog() {
    let queue = PushQueue::<Bits<1>>::new(Config::new(1));
    let client = queue.register_with(Lane::Normal, [1]).unwrap();
    queue.publish(Target::One(client), Lane::Normal, [2]).unwrap();
    assert_eq!(*queue.try_lease().unwrap().request(), [3]);

    let both = ChangeSet::<u32>::from([1, 2]);
    let queue = PushQueue::<Locked<ChangeSet<u32>>>::new(Config::new(1));
    let client = queue.register_with(Lane::Normal, ChangeSet::from([1])).unwrap();
    queue.publish(Target::One(client), Lane::Normal, ChangeSet::from([2])).unwrap();
    assert_eq!(*queue.try_lease().unwrap().request(), both);

    let queue = PushQueue::<Shared<ChangeSet<u32>>>::new(Config::new(1));
    let client = queue.register_with(Lane::Normal, Arc::new(ChangeSet::from([1]))).unwrap();
    queue.publish(Target::One(client), Lane::Normal, Arc::new(ChangeSet::from([2]))).unwrap();
    assert_eq!(**queue.try_lease().unwrap().request(), both);
}

#[test]
fn only_those_concerned_are_pushed_to() {
    let queue = PushQueue::<Dirty>::new(Config::new(40).topics(2));
    let clients: Vec<_> = (0..40).map(|_| queue.register().unwrap()).collect();
    for client in clients.iter().step_by(7) {
        queue.subscribe(*client, Topic(1)).unwrap();
    }
    let version = queue.publish(Target::Topics(Scope::any(&[Topic(1)])), Lane::Normal, ()).unwrap();
    assert!(!queue.is_converged(version));
    let mut served = Vec::new();
    while let Some(lease) = queue.try_lease() {
        served.push(lease.key());
        lease.complete();
    }
    assert!(served.iter().eq(clients.iter().step_by(7)));
    assert!(queue.is_converged(version));
}
