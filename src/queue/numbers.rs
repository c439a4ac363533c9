//! Numbering a publish, and keeping the numbers comparable.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::convergence::{Seq, WRAPS};
use crate::signal::Signal;
use crate::storage::Storage;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Numbers a publish whose marks are made, or left to workers; `None` if the queue was closed
    /// meanwhile.
    ///
    /// Where numbers wrap, each publish looks after one bank. While a publisher is paused before it
    /// does, its bank waits until the publishers have come round; that they are all paused there,
    /// each time for a quarter of all numbers, would take more threads than a 32-bit target can
    /// have.
    #[inline]
    pub(super) fn number(&self) -> Option<Seq> {
        let number = self.convergence.number()?;
        self.look_after_one(number);
        Some(number)
    }

    /// Numbers what has been published by now, also if the queue is closed.
    pub(super) fn number_all(&self) -> Seq {
        let number = self.convergence.number_all();
        self.look_after_one(number);
        number
    }

    #[inline]
    fn look_after_one(&self, number: Seq) {
        if WRAPS {
            let bank = number.word() % self.banks().len();
            self.progress(bank).age(number);
            self.backlog.age(self.cells(bank));
        }
    }
}

/// Numbers have 63 bits here. That they come round is brought about by steps of an eighth of them
/// all, between which each bank is looked after.
#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;
    use crate::backlog::{Bits, Dirty};
    use crate::convergence::QUARTER;
    use crate::slot::SLOTS;
    use crate::{ClientKey, Config, Lane, Scope, Target, Topic, Version};

    const NOBODYS: [Topic; 1] = [Topic(0)];
    const OURS: [Topic; 1] = [Topic(1)];

    fn publish<B: Backlog>(queue: &PushQueue<B>, topics: &[Topic], request: B::Request) -> Version {
        let target = Target::Topics(Scope::any(topics));
        queue.publish(target, Lane::Normal, request).unwrap()
    }

    /// Publishes that concern nobody: an eighth of all numbers.
    fn pass<B: Backlog>(queue: &PushQueue<B>, request: impl Fn() -> B::Request) {
        queue.convergence.advance(QUARTER / 2);
        (0..=queue.banks().len()).for_each(|_| {
            let _ = publish(queue, &NOBODYS, request());
        });
    }

    fn with_clients() -> (PushQueue<Bits<1>>, [ClientKey; 2]) {
        let queue = PushQueue::new(Config::new(3 * SLOTS).topics(2));
        let keys: std::vec::Vec<_> = (0..2 * SLOTS).map(|_| queue.register().unwrap()).collect();
        let clients = [keys[0], keys[2 * SLOTS - 1]];
        clients.iter().for_each(|&client| queue.subscribe(client, Topic(1)).unwrap());
        (queue, clients)
    }

    fn serve(queue: &PushQueue<Bits<1>>) -> usize {
        core::iter::from_fn(|| queue.try_lease().map(|lease| lease.complete())).count()
    }

    #[test]
    fn a_publish_to_everyone_reaches_a_client_that_was_idle_for_any_time() {
        for eighths in 0..20 {
            let queue = PushQueue::<Dirty>::new(Config::new(1).topics(1));
            queue.register().unwrap();
            publish(&queue, &NOBODYS, ());
            (0..eighths).for_each(|_| pass(&queue, || ()));
            let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
            assert!(!queue.is_converged(version));
            queue.try_lease().expect("marked").complete();
            assert!(queue.is_converged(version));
        }
    }

    #[test]
    fn a_version_does_not_converge_early_after_a_client_was_idle_for_any_time() {
        for eighths in 0..20 {
            let (queue, _) = with_clients();
            (0..eighths).for_each(|_| pass(&queue, || [1]));
            let version = publish(&queue, &OURS, [2]);
            assert_eq!(queue.laggards(version).count(), 2, "after {eighths} eighths");
            assert_eq!(serve(&queue), 2);
            assert!(queue.is_converged(version));
            publish(&queue, &OURS, [4]);
            assert!(queue.is_converged(version), "and stays so");
        }
    }

    #[test]
    fn a_version_does_not_converge_early_however_long_a_client_takes() {
        for idle in [0, 3, 9] {
            for busy in 0..20 {
                let (queue, _) = with_clients();
                (0..idle).for_each(|_| pass(&queue, || [1]));
                publish(&queue, &OURS, [2]);
                let leases = [(); 2].map(|()| queue.try_lease().unwrap());
                let version = publish(&queue, &OURS, [4]);
                for _ in 0..busy {
                    pass(&queue, || [1]);
                    assert_eq!(queue.laggards(version).count(), 2);
                }
                leases.into_iter().for_each(|lease| lease.complete());
                assert_eq!(queue.laggards(version).count(), 2, "after {idle} and {busy} eighths");
                assert_eq!(serve(&queue), 2);
                assert!(queue.is_converged(version));
            }
        }
    }

    /// Late at most by one push of a client that is always busy.
    #[test]
    fn a_version_that_is_kept_for_any_time_stays_converged() {
        let (queue, clients) = with_clients();
        let version = publish(&queue, &OURS, [2]);
        assert_eq!(serve(&queue), 2);
        for eighths in 0..40 {
            pass(&queue, || [1]);
            assert!(queue.is_converged(version), "nobody is busy");
            publish(&queue, &OURS, [4]);
            assert_eq!(serve(&queue), 2);
            publish(&queue, &OURS, [8]);
            assert!(queue.is_converged(version), "after {eighths} eighths");
            assert_eq!(serve(&queue), 2);
        }
        let _ = clients;
    }

    #[test]
    fn a_newcomer_owes_nothing_at_any_time() {
        let (queue, _) = with_clients();
        for _ in 0..20 {
            pass(&queue, || [1]);
            let before = publish(&queue, &OURS, [2]);
            assert_eq!(serve(&queue), 2);
            let newcomer = queue.register().unwrap();
            queue.subscribe(newcomer, Topic(1)).unwrap();
            let after = publish(&queue, &OURS, [4]);
            assert!(queue.is_converged(before) && queue.laggards(after).count() == 3);
            assert_eq!(serve(&queue), 3);
            queue.unregister(newcomer).unwrap();
        }
    }
}
