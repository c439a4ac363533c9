//! From a publish to the first line of its handler, which slept: each adapter, and what else one
//! would use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use pushlane::adapters::{AsyncQueue, Dispatcher};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, Target};
use pushlane_peers::merge_queue::MergeQueue;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::{Plan, groups};
use crate::subject::FastMergeQueue;

/// Long enough for a worker that has nothing to do to fall asleep.
const PAUSE: Duration = Duration::from_micros(60);

/// When a handler began.
struct Stamp {
    since: Instant,
    nanoseconds: AtomicU64,
}

impl Stamp {
    fn new() -> Arc<Self> {
        Arc::new(Stamp { since: Instant::now(), nanoseconds: AtomicU64::new(0) })
    }

    fn set(&self) {
        let now = self.since.elapsed().as_nanos() as u64;
        self.nanoseconds.store(now, Ordering::Release);
    }

    /// How long it took from the call of `publish` to the handler.
    fn after(&self, publish: impl FnOnce()) -> Duration {
        thread::sleep(PAUSE);
        self.nanoseconds.store(0, Ordering::Relaxed);
        let start = self.since.elapsed().as_nanos() as u64;
        publish();
        loop {
            match self.nanoseconds.load(Ordering::Acquire) {
                0 => std::hint::spin_loop(),
                end => return Duration::from_nanos(end.saturating_sub(start)),
            }
        }
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    runtime.expect("a thread can be started")
}

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::LATENCY);
    let queue = || Arc::new(AsyncQueue::<Dirty>::new(Config::new(16)));
    let publish = |queue: &AsyncQueue<Dirty>, client| {
        let sent = queue.publish(Target::One(client), Lane::Normal, ());
        debug_assert!(sent.is_ok(), "the client stays");
    };
    let register = |queue: &AsyncQueue<Dirty>| queue.register().expect("there is room");

    {
        let (queue, stamp) = (queue(), Stamp::new());
        let client = register(&queue);
        let handler = Arc::clone(&stamp);
        let builder = Dispatcher::builder(Arc::clone(&queue)).no_deadline();
        let pool = builder.start_pool(1, move |_push| {
            handler.set();
            Ok(())
        });
        let pool = pool.expect("a thread can be started");
        let once = || stamp.after(|| publish(&queue, client));
        plan.sampled(&mut group, "pushlane, blocking", "thread", once);
        assert!(pool.drain(Duration::MAX).is_ok());
    }
    for (name, fast) in [("merge queue", false), ("merge queue, parking_lot", true)] {
        let stamp = Stamp::new();
        let stop = AtomicBool::new(false);
        let std = MergeQueue::<u32, ()>::new();
        let parking_lot = FastMergeQueue::<()>::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    if fast {
                        let work = parking_lot.dequeue().expect("open");
                        stamp.set();
                        parking_lot.mark_done(&work.client, work.ticket);
                    } else {
                        let work = std.dequeue().expect("open");
                        stamp.set();
                        std.mark_done(&work.client, work.ticket);
                    }
                }
            });
            let send = || if fast { parking_lot.enqueue(0, ()) } else { std.enqueue(0, ()) };
            plan.sampled(&mut group, name, "thread", || stamp.after(|| _ = send()));
            stop.store(true, Ordering::Relaxed);
            send();
        });
    }
    {
        let (runtime, queue, stamp) = (runtime(), queue(), Stamp::new());
        let client = register(&queue);
        let worker = (Arc::clone(&queue), Arc::clone(&stamp));
        let worker = runtime.spawn(async move {
            while let Some(lease) = worker.0.next().await {
                worker.1.set();
                lease.complete();
            }
        });
        let once = || stamp.after(|| publish(&queue, client));
        plan.sampled(&mut group, "pushlane, async", "task", once);
        queue.close();
        assert!(runtime.block_on(worker).is_ok());
    }
    {
        let (runtime, queue, stamp) = (runtime(), queue(), Stamp::new());
        let client = register(&queue);
        let handler = Arc::clone(&stamp);
        let entered = runtime.enter();
        let builder = Dispatcher::builder(Arc::clone(&queue)).no_deadline();
        let dispatcher = builder.start(move |_push| {
            handler.set();
            async { Ok(()) }
        });
        drop(entered);
        let once = || stamp.after(|| publish(&queue, client));
        plan.sampled(&mut group, "pushlane, tokio", "task", once);
        assert!(runtime.block_on(dispatcher.drain(Duration::MAX)).is_ok());
    }
    {
        let (runtime, notify, stamp) = (runtime(), Arc::new(Notify::new()), Stamp::new());
        let worker = (Arc::clone(&notify), Arc::clone(&stamp));
        let worker = runtime.spawn(async move {
            loop {
                worker.0.notified().await;
                worker.1.set();
            }
        });
        plan.sampled(&mut group, "tokio Notify", "task", || stamp.after(|| notify.notify_one()));
        worker.abort();
    }
}
