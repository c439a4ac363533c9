//! Waiting for a queue: the same on every executor. No waiter is forgotten, and a wait that is
//! given up leaks nothing.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use pushlane::adapters::AsyncQueue;
use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane, Lease, SLOTS, Target, Version};

type Queue = Arc<AsyncQueue<Dirty>>;

fn queue(clients: usize, permits: usize) -> (Queue, Vec<ClientKey>) {
    let queue = Arc::new(AsyncQueue::new(Config::new(clients).permits(permits)));
    let keys = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, keys)
}

fn publish(queue: &Queue, client: ClientKey) -> Version {
    queue.publish(Target::One(client), Lane::Normal, ()).unwrap()
}

/// A future that is polled by hand, and whether it was woken since.
struct Polled<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    seen: usize,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<F: Future> Polled<F> {
    /// Polled once: it waits.
    fn waiting(future: F) -> Self {
        let mut polled = Polled { future: Box::pin(future), wakes: Arc::default(), seen: 0 };
        assert!(polled.poll().is_pending());
        polled
    }

    fn poll(&mut self) -> Poll<F::Output> {
        self.seen = self.wakes.0.load(Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > self.seen
    }

    /// The outcome, of a future that has been woken and is done.
    fn woken(mut self) -> F::Output {
        assert!(self.is_woken());
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("woken for nothing"),
        }
    }
}

mod executors {
    use super::*;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// A minimal executor.
    fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            thread::park();
        }
    }

    async fn work(queue: Queue, served: Arc<AtomicUsize>) {
        while let Some(lease) = AsyncQueue::next_from(Arc::clone(&queue)).await {
            lease.complete();
            served.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Three workers, a publisher, and a waiter for each of its publishes. Returns the number of
    /// pushes beyond one for each client and publish.
    async fn day<J: Future>(
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> J,
    ) -> usize {
        let (queue, clients) = queue(50, 2);
        let served = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..3)
            .map(|_| spawn(Box::pin(work(Arc::clone(&queue), Arc::clone(&served)))))
            .collect();
        for round in 1..=10 {
            let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
            queue.converged(version).await;
            assert!(queue.is_converged(version));
            assert!(served.load(Ordering::SeqCst) + 3 >= round * clients.len());
        }
        queue.close();
        queue.drained().await;
        for worker in workers {
            worker.await;
        }
        assert_eq!(queue.permits_held(), 0);
        let needed = 10 * clients.len();
        served.load(Ordering::SeqCst).checked_sub(needed).expect("nobody is left out")
    }

    // On several threads a client may get a push more: a worker that helps to expand a fan-out may
    // be paused right before it marks clients, which others mark and serve meanwhile.

    #[test]
    fn on_one_thread_of_tokio() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(day(tokio::spawn)), 0);
    }

    #[test]
    fn on_several_threads_of_tokio() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        runtime.block_on(day(tokio::spawn));
    }

    #[test]
    fn on_smol() {
        smol::block_on(day(smol::spawn));
    }

    #[test]
    fn on_an_executor_of_ten_lines() {
        block_on(day(|future| {
            let thread = thread::spawn(|| block_on(future));
            async { thread.join().unwrap() }
        }));
    }

    #[test]
    fn a_worker_may_borrow_the_queue() {
        let (queue, _) = queue(10, 10);
        let mut served = 0;
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        queue.close();
        block_on(async {
            while let Some(lease) = queue.next().await {
                lease.complete();
                served += 1;
            }
        });
        assert_eq!(served, 10);
    }
}

mod leases {
    use super::*;

    #[test]
    fn two_publishes_wake_two_waiters() {
        // Of different banks, so that no lease uncovers the other's work and makes up for a lost
        // wake-up.
        let (queue, clients) = queue(2 * SLOTS, 2);
        let (near, far) = (clients[0], clients[SLOTS]);
        let first = Polled::waiting(queue.next());
        let second = Polled::waiting(queue.next());
        // Nobody runs in between: the first is notified and has not noticed when the second publish
        // comes.
        publish(&queue, near);
        publish(&queue, far);
        let leases = [first.woken().unwrap(), second.woken().unwrap()];
        assert_eq!(leases.map(|lease| lease.key()), [near, far]);
    }

    #[test]
    fn a_fan_out_wakes_as_many_as_it_has_work_for() {
        let (queue, clients) = queue(3, 5);
        let waiting: Vec<_> = (0..5).map(|_| Polled::waiting(queue.next())).collect();
        queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        assert_eq!(waiting.iter().filter(|next| next.is_woken()).count(), clients.len());
        let leases: Vec<_> =
            waiting.into_iter().take(3).map(|next| next.woken().unwrap().key()).collect();
        assert_eq!(leases, clients);
    }

    #[test]
    fn a_publish_that_makes_nothing_ready_wakes_nobody() {
        let (queue, clients) = queue(1, 2);
        publish(&queue, clients[0]);
        let lease = queue.try_lease().unwrap();
        let next = Polled::waiting(queue.next());
        publish(&queue, clients[0]);
        assert!(!next.is_woken(), "its only client is in progress");
        lease.complete();
        assert_eq!(next.woken().unwrap().key(), clients[0]);
    }

    #[test]
    fn a_permit_that_comes_back_wakes() {
        let (queue, clients) = queue(2, 1);
        publish(&queue, clients[0]);
        publish(&queue, clients[1]);
        let mut lease = queue.try_lease().unwrap();
        let next = Polled::waiting(queue.next());
        lease.release_permit();
        assert_eq!(next.woken().unwrap().key(), clients[1]);
        drop(lease);
    }

    #[test]
    fn a_larger_limit_wakes() {
        let (queue, clients) = queue(1, 0);
        publish(&queue, clients[0]);
        let next = Polled::waiting(queue.next());
        queue.set_permits(1);
        assert!(next.woken().is_some());
    }

    #[test]
    fn a_push_that_is_given_up_wakes() {
        let (queue, clients) = queue(1, 2);
        publish(&queue, clients[0]);
        let lease = queue.try_lease().unwrap();
        let next = Polled::waiting(queue.next());
        drop(lease);
        assert_eq!(next.woken().unwrap().key(), clients[0]);
    }

    #[test]
    fn a_waiter_that_gives_up_passes_its_wake_up_on() {
        let (queue, clients) = queue(1, 1);
        let gives_up = Polled::waiting(queue.next());
        let stays = Polled::waiting(queue.next());
        publish(&queue, clients[0]);
        assert!(gives_up.is_woken() && !stays.is_woken());
        drop(gives_up);
        assert_eq!(stays.woken().unwrap().key(), clients[0]);
    }

    #[test]
    fn a_waiter_that_gives_up_unwoken_takes_nothing_along() {
        let (queue, clients) = queue(2, 2);
        let gives_up = Polled::waiting(queue.next());
        let stays = Polled::waiting(queue.next());
        drop(gives_up);
        publish(&queue, clients[0]);
        drop(stays.woken());
        assert_eq!(queue.permits_held(), 0);
        assert_eq!(queue.try_lease().unwrap().key(), clients[0]);
    }

    #[test]
    fn a_waiter_that_is_overtaken_waits_on() {
        let (queue, clients) = queue(1, 2);
        let mut next = Polled::waiting(queue.next());
        publish(&queue, clients[0]);
        queue.try_lease().unwrap().complete();
        assert!(next.is_woken());
        assert!(next.poll().is_pending());
        publish(&queue, clients[0]);
        assert!(next.woken().is_some());
    }

    #[test]
    fn the_lease_of_a_task_that_is_dropped_is_requeued() {
        let (queue, clients) = queue(1, 1);
        let pushing = async {
            let _lease = queue.next().await;
            std::future::pending::<()>().await;
        };
        publish(&queue, clients[0]);
        let pushing = Polled::waiting(pushing);
        assert_eq!(queue.permits_held(), 1);
        drop(pushing);
        assert_eq!(queue.try_lease().unwrap().key(), clients[0]);
    }
}

mod ends {
    use super::*;

    fn ended(lease: Option<Lease<&AsyncQueue<Dirty>>>) -> bool {
        lease.is_none()
    }

    #[test]
    fn closing_an_empty_queue_ends_every_wait() {
        let (queue, _) = queue(3, 2);
        let waiting: Vec<_> = (0..3).map(|_| Polled::waiting(queue.next())).collect();
        let drained = Polled::waiting(queue.drained());
        queue.close();
        assert!(waiting.into_iter().all(|next| ended(next.woken())));
        drained.woken();
    }

    #[test]
    fn a_closed_queue_is_worked_off_before_it_ends() {
        let (queue, clients) = queue(2, 1);
        publish(&queue, clients[0]);
        publish(&queue, clients[1]);
        let lease = queue.try_lease().unwrap();
        let mut next = Polled::waiting(queue.next());
        let mut drained = Polled::waiting(queue.drained());
        queue.close();
        assert!(next.poll().is_pending());
        lease.complete();
        next.woken().unwrap().complete();
        assert!(drained.is_woken());
        assert!(drained.poll().is_ready());
        assert!(ended(Polled::done(queue.next())));
    }

    #[test]
    fn a_worker_stays_while_another_one_may_fail() {
        let (queue, clients) = queue(1, 2);
        publish(&queue, clients[0]);
        queue.close();
        let lease = queue.try_lease().unwrap();
        let next = Polled::waiting(queue.next());
        drop(lease);
        next.woken().unwrap().complete();
        assert!(ended(Polled::done(queue.next())));
    }

    #[test]
    fn the_last_completion_ends_those_who_wait_for_work() {
        let (queue, clients) = queue(1, 2);
        publish(&queue, clients[0]);
        let lease = queue.try_lease().unwrap();
        let mut before = Polled::waiting(queue.next());
        queue.close();
        assert!(before.poll().is_pending());
        let after = Polled::waiting(queue.next());
        lease.complete();
        assert!(ended(before.woken()) && ended(after.woken()));
    }

    #[test]
    fn an_eviction_ends_a_drain() {
        let (queue, clients) = queue(1, 1);
        publish(&queue, clients[0]);
        let lease = queue.try_lease().unwrap();
        queue.close();
        let drained = Polled::waiting(queue.drained());
        let next = Polled::waiting(queue.next());
        queue.unregister(clients[0]).unwrap();
        drained.woken();
        assert!(ended(next.woken()));
        drop(lease);
    }

    #[test]
    fn convergence_waits_for_those_concerned_alone() {
        let (queue, clients) = queue(2, 2);
        publish(&queue, clients[0]);
        let version = publish(&queue, clients[1]);
        let [first, second] = [queue.try_lease().unwrap(), queue.try_lease().unwrap()];
        let mut converged = Polled::waiting(queue.converged(version));
        first.requeue();
        assert!(converged.poll().is_pending());
        second.complete();
        converged.woken();
    }

    #[test]
    fn an_eviction_is_progress_towards_convergence() {
        let (queue, clients) = queue(2, 2);
        let version = queue.publish(Target::Everyone, Lane::Normal, ()).unwrap();
        let [first, hung] = [queue.try_lease().unwrap(), queue.try_lease().unwrap()];
        let converged = Polled::waiting(queue.converged(version));
        let again = Polled::waiting(queue.converged(version));
        first.complete();
        queue.unregister(clients[1]).unwrap();
        converged.woken();
        again.woken();
        drop(hung);
    }
}

impl<F: Future> Polled<F> {
    /// The outcome of a future that need not wait.
    fn done(future: F) -> F::Output {
        let mut polled = Polled { future: Box::pin(future), wakes: Arc::default(), seen: 0 };
        match polled.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }
}
