//! One way to drive all adapters: the handler is a script, and hanging means waiting for a gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pushlane::adapters::blocking::Pool;
use pushlane::adapters::{
    self, AsyncQueue, Backoff, Builder, Dispatcher, Outcome, SmolTimer, Stats, TokioTimer, Unserved,
};
use pushlane::{ClientKey, Config, Lane, Target, Version};
use smol::channel::{Receiver, Sender, unbounded};

use crate::{Load, request};

/// What is published is the test binary's choice: its root has a `Load` and a `request`.
pub(crate) type Queue = Arc<AsyncQueue<Load>>;
pub(crate) type Push = adapters::Push<Queue>;
pub(crate) type Options = Builder<Queue>;

/// Without a deadline, and without a pause after a failure.
pub(crate) fn options(queue: &Queue) -> Options {
    Dispatcher::builder(Arc::clone(queue)).no_deadline().backoff(Backoff::NONE)
}

/// How a handler goes on after the script.
pub(crate) enum Then {
    End(Outcome),
    /// Holds the push until the gate opens, then completes it.
    Hang(Push, Gate),
}

/// The handler completes the push.
pub(crate) fn complete(push: Push) -> Then {
    drop(push);
    Then::End(Ok(()))
}

/// The handler gives the push back.
pub(crate) fn fail(push: Push) -> Then {
    drop(push);
    Then::End(Err("on purpose".into()))
}

/// Closed until [`Opener`] is dropped.
pub(crate) type Gate = Receiver<()>;
pub(crate) type Opener = Sender<()>;

pub(crate) fn gate() -> (Opener, Gate) {
    unbounded()
}

pub(crate) trait Rig: Sized {
    /// In real time, longer than a prompt handler takes on a busy machine.
    const LIMIT: Duration;

    /// Whether a handler that waits can be stopped.
    const DROPS_HANDLERS: bool;

    /// Serves with `width` threads.
    fn start(
        options: Options,
        width: usize,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self;

    fn stats(&self) -> Stats;

    fn drain_within(self, within: Duration) -> impl Future<Output = Result<(), Unserved>>;

    async fn drain(self) -> bool {
        self.drain_within(Duration::MAX).await.is_ok()
    }

    fn run(test: impl Future<Output = ()>);
}

pub(crate) struct Threads(Pool<Queue>);

impl Rig for Threads {
    const LIMIT: Duration = Duration::from_millis(300);
    const DROPS_HANDLERS: bool = false;

    fn start(
        options: Options,
        width: usize,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self {
        let handler = move |push| match script(push) {
            Then::End(outcome) => outcome,
            Then::Hang(push, gate) => {
                let _ = gate.recv_blocking();
                drop(push);
                Ok(())
            }
        };
        Threads(options.start_pool(width, handler).unwrap())
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }

    async fn drain_within(self, within: Duration) -> Result<(), Unserved> {
        self.0.drain(within)
    }

    fn run(test: impl Future<Output = ()>) {
        smol::block_on(test);
    }
}

/// The same script for a dispatcher.
fn handler(
    script: impl Fn(Push) -> Then + Send + Sync + 'static,
) -> impl Fn(Push) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync + 'static {
    let script = Arc::new(script);
    move |push| {
        let script = Arc::clone(&script);
        Box::pin(async move {
            match script(push) {
                Then::End(outcome) => outcome,
                Then::Hang(push, gate) => {
                    let _ = gate.recv().await;
                    drop(push);
                    Ok(())
                }
            }
        })
    }
}

/// A rig that is a dispatcher: how it is started, and by what it is run.
macro_rules! dispatcher {
    ($(#[$doc:meta])* $rig:ident, $limit:expr, $start:expr, $run:expr) => {
        $(#[$doc])*
        pub(crate) struct $rig(pub(crate) Dispatcher<Queue>);

        impl Rig for $rig {
            const LIMIT: Duration = $limit;
            const DROPS_HANDLERS: bool = true;

            fn start(
                options: Options,
                _width: usize,
                script: impl Fn(Push) -> Then + Send + Sync + 'static,
            ) -> Self {
                $rig($start(options, handler(script)))
            }

            fn stats(&self) -> Stats {
                self.0.stats()
            }

            async fn drain_within(self, within: Duration) -> Result<(), Unserved> {
                self.0.drain(within).await
            }

            fn run(test: impl Future<Output = ()>) {
                $run(test);
            }
        }
    };
}

pub(crate) const VIRTUAL: Duration = Duration::from_secs(15);

pub(crate) fn paused(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

dispatcher!(
    /// Tokio on one thread, in virtual time.
    Tokio,
    VIRTUAL,
    |options: Options, handler| options.start(handler),
    paused
);

dispatcher!(
    /// Tokio on several threads, in real time.
    TokioThreads,
    Threads::LIMIT,
    |options: Options, handler| options.start(handler),
    |test| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_time().build().unwrap().block_on(test);
    }
);

dispatcher!(
    /// All handlers within one future, in virtual time.
    OneFuture,
    VIRTUAL,
    |options: Options, handler| {
        let (dispatcher, serving) = options.run(TokioTimer::default(), handler);
        tokio::spawn(serving);
        dispatcher
    },
    paused
);

dispatcher!(
    /// The same on smol's executor, in real time.
    Smol,
    Threads::LIMIT,
    |options: Options, handler| {
        let (dispatcher, serving) = options.run(SmolTimer::default(), handler);
        smol::spawn(serving).detach();
        dispatcher
    },
    smol::block_on
);

pub(crate) fn queue(clients: usize, permits: usize) -> (Queue, Vec<ClientKey>) {
    let queue = Arc::new(AsyncQueue::new(Config::new(clients).permits(permits)));
    let keys = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, keys)
}

pub(crate) fn publish(queue: &Queue, client: ClientKey, change: u32) -> Version {
    queue.publish(Target::One(client), Lane::Normal, request(change)).unwrap()
}

pub(crate) fn publish_to_all(queue: &Queue, change: u32) -> Version {
    queue.publish(Target::Everyone, Lane::Normal, request(change)).unwrap()
}

/// What happened, in order, for the test to wait for.
pub(crate) struct Log<T>(Receiver<T>);

impl<T: Send + 'static> Log<T> {
    pub(crate) fn new() -> (impl Fn(T) + Clone + Send + Sync + 'static, Self) {
        let (sender, receiver) = unbounded();
        (move |event| drop(sender.try_send(event)), Log(receiver))
    }

    pub(crate) async fn next(&self) -> T {
        self.0.recv().await.expect("somebody can still log")
    }

    pub(crate) async fn take(&self, count: usize) -> Vec<T> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await);
        }
        events
    }

    /// What has happened by now.
    pub(crate) fn so_far(&self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A test for each case, which is a function beside, and each rig.
macro_rules! on_each_rig {
    ($($case:ident)*) => {
        on_each_rig!(@ on_threads Threads $($case)*);
        on_each_rig!(@ on_tokio Tokio $($case)*);
        on_each_rig!(@ on_tokio_threads TokioThreads $($case)*);
        on_each_rig!(@ in_one_future OneFuture $($case)*);
        on_each_rig!(@ on_smol Smol $($case)*);
    };
    (@ $module:ident $rig:ident $($case:ident)*) => {
        mod $module {
            use crate::rig::{$rig, Rig};

            $(#[test]
            fn $case() {
                $rig::run(super::$case::<$rig>());
            })*
        }
    };
}
