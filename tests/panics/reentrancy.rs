//! User code that uses the queue. In a merge or clone, which run under a backlog's lock, it is
//! refused; in a drop and in a signal it works.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::rig::{Kind, On, Queue, for_each_kind, hook, is_hook_left, publish, queue};
use pushlane::backlog::Dirty;
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, PushQueue, Signal, Target};

for_each_kind!(a_drop_may_publish, a_merge_or_clone_may_not_publish);

fn leaked<B: Kind>() -> (&'static Queue<B>, [ClientKey; 3]) {
    let (queue, clients) = queue::<B>(4, 3);
    queue.set_permits(10);
    (Box::leak(Box::new(queue)), clients.try_into().unwrap())
}

fn served<B: Kind>(queue: &Queue<B>) -> Vec<(ClientKey, u32)> {
    let leases = std::iter::from_fn(|| queue.try_lease());
    let mut served: Vec<_> = leases
        .map(|lease| {
            let served = (lease.key(), B::changes(lease.request()));
            lease.complete();
            served
        })
        .collect();
    served.sort();
    served
}

/// To a client of the same bank, whose lock is the one that could be held; with its own request, so
/// that a merge is needed.
fn a_drop_may_publish<B: Kind>() {
    type Drops<B> = fn(&'static Queue<B>, [ClientKey; 3]);
    let unregister: Drops<B> = |queue, [one, ..]| {
        publish(queue, one, 1, On::Drop);
        queue.unregister(one).unwrap();
    };
    let complete: Drops<B> = |queue, [one, ..]| {
        publish(queue, one, 1, On::Drop);
        let lease = std::iter::from_fn(|| queue.try_lease()).find(|lease| lease.key() == one);
        lease.unwrap().complete();
    };
    let batch: Drops<B> = |queue, [one, ..]| {
        publish(queue, one, 1, On::Drop);
        let batches: Vec<_> = std::iter::from_fn(|| queue.try_lease_batch(16)).collect();
        let is_of_one = |batch: &pushlane::Batch<_>| batch.iter().any(|(client, _)| client == one);
        batches.into_iter().filter(is_of_one).for_each(|batch| batch.complete());
    };
    let departed: Drops<B> = |queue, [one, ..]| {
        publish(queue, one, 1, On::Drop);
        let lease = std::iter::from_fn(|| queue.try_lease()).find(|lease| lease.key() == one);
        queue.unregister(one).unwrap();
        lease.unwrap().requeue();
    };
    for (drops, what) in [
        (unregister, "unregister"),
        (complete, "complete"),
        (batch, "batch"),
        (departed, "departed"),
    ] {
        let (queue, clients) = leaked::<B>();
        let [_, neighbour, other] = clients;
        publish(queue, neighbour, 2, On::Nothing);
        hook(move || {
            publish(queue, neighbour, 4, On::Nothing);
            publish(queue, other, 8, On::Nothing);
        });
        drops(queue, clients);
        assert!(!is_hook_left(), "{what}");
        assert_eq!(served(queue), [(neighbour, 6), (other, 8)]);
        assert_eq!(queue.permits_held(), 0);
    }
}

fn a_merge_or_clone_may_not_publish<B: Kind>() {
    let (queue, [one, other, _]) = leaked::<B>();
    let refused: &'static RefCell<Option<String>> = Box::leak(Box::default());
    publish(queue, one, 1, On::Nothing);
    hook(move || {
        let publishing = AssertUnwindSafe(|| publish(queue, other, 2, On::Nothing));
        let panic = catch_unwind(publishing).expect_err("the lock is held");
        refused.replace(panic.downcast_ref::<&str>().map(|message| (*message).to_owned()));
    });
    publish(queue, one, 4, On::Merge);
    assert!(!is_hook_left());
    let message = refused.take().expect("a message");
    assert!(message.contains("must not use the queue"), "{message}");
    // The lock is free again, and nothing is lost.
    assert_eq!(served(queue), [(one, 5)]);
    publish(queue, other, 2, On::Nothing);
    assert_eq!(served(queue), [(other, 2)]);
}

/// Publishes to a client of its queue, once for each request to do so.
#[derive(Default)]
struct Publishes {
    queue: OnceLock<(&'static PushQueue<Dirty, Heap, Publishes>, ClientKey)>,
    left: AtomicUsize,
}

impl Publishes {
    fn publish(&self) {
        let Some(&(queue, client)) = self.queue.get() else { return };
        if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            queue.publish(Target::One(client), Lane::Normal, ()).unwrap();
        }
    }
}

impl Signal for Publishes {
    fn ready(&self, _: usize) {
        self.publish();
    }

    fn progress(&self) {
        self.publish();
    }
}

#[test]
fn a_signal_may_publish() {
    let queue: &'static PushQueue<Dirty, Heap, Publishes> =
        Box::leak(Box::new(PushQueue::new(Config::new(3).permits(2))));
    let [one, other] = [(); 2].map(|()| queue.register().unwrap());
    assert!(queue.signal().queue.set((queue, other)).is_ok());
    let served = |expected: &[ClientKey]| {
        let mut served = Vec::new();
        while let Some(lease) = queue.try_lease() {
            served.push(lease.key());
            lease.complete();
        }
        served.sort();
        assert_eq!(served, expected);
        assert_eq!(queue.permits_held(), 0);
    };
    let again = |times| queue.signal().left.store(times, Relaxed);
    // From a publish, from the end of a push, from a permit, from one that leaves.
    again(1);
    queue.publish(Target::One(one), Lane::Normal, ()).unwrap();
    served(&[one, other]);
    queue.publish(Target::One(one), Lane::Normal, ()).unwrap();
    let lease = queue.try_lease().unwrap();
    again(1);
    lease.complete();
    served(&[other]);
    let third = queue.register().unwrap();
    again(1);
    queue.unregister(third).unwrap();
    served(&[other]);
    again(1);
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
    served(&[one, other]);
    queue.close();
}
