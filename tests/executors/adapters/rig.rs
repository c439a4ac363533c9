//! One way to drive both adapters: the handler is a script, and hanging means waiting for a gate.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pushlane::adapters::blocking::Pool;
use pushlane::adapters::tokio::Dispatcher;
use pushlane::adapters::{self, AsyncQueue, Options};
use pushlane::{ClientKey, Config, Lane, Target, Version};
use smol::channel::{Receiver, Sender, unbounded};

use crate::{Load, request};

/// What is published is the test binary's choice: its root has a `Load` and a `request`.
pub(crate) type Queue = Arc<AsyncQueue<Load>>;
pub(crate) type Push = adapters::Push<Queue>;

/// How a handler goes on after the script.
pub(crate) enum Then {
    Return,
    /// Holds the push until the gate opens, then completes it.
    Hang(Push, Gate),
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
        queue: &Queue,
        width: usize,
        options: Options,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self;

    fn drain(self) -> impl Future<Output = bool>;

    fn run(test: impl Future<Output = ()>);
}

pub(crate) struct Threads(Pool<Queue>);

impl Rig for Threads {
    const LIMIT: Duration = Duration::from_millis(300);
    const DROPS_HANDLERS: bool = false;

    fn start(
        queue: &Queue,
        width: usize,
        options: Options,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self {
        let handler = move |push| match script(push) {
            Then::Return => {}
            Then::Hang(push, gate) => {
                let _ = gate.recv_blocking();
                push.complete();
            }
        };
        Threads(Pool::start(Arc::clone(queue), width, options, handler).unwrap())
    }

    async fn drain(self) -> bool {
        self.0.drain()
    }

    fn run(test: impl Future<Output = ()>) {
        smol::block_on(test);
    }
}

/// Tokio on one thread, in virtual time.
pub(crate) struct Tokio(Dispatcher<Queue>);

/// For a handler that no script can tell.
impl From<Dispatcher<Queue>> for Tokio {
    fn from(dispatcher: Dispatcher<Queue>) -> Self {
        Tokio(dispatcher)
    }
}

impl Rig for Tokio {
    const LIMIT: Duration = Duration::from_secs(15);
    const DROPS_HANDLERS: bool = true;

    fn start(
        queue: &Queue,
        _width: usize,
        options: Options,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(script);
        let handler = move |push| {
            let script = Arc::clone(&script);
            async move {
                match script(push) {
                    Then::Return => {}
                    Then::Hang(push, gate) => {
                        let _ = gate.recv().await;
                        push.complete();
                    }
                }
            }
        };
        Tokio(Dispatcher::start(Arc::clone(queue), options, handler))
    }

    async fn drain(self) -> bool {
        self.0.drain().await
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(test);
    }
}

/// Tokio on several threads, in real time.
pub(crate) struct TokioThreads(Tokio);

impl Rig for TokioThreads {
    const LIMIT: Duration = Threads::LIMIT;
    const DROPS_HANDLERS: bool = true;

    fn start(
        queue: &Queue,
        width: usize,
        options: Options,
        script: impl Fn(Push) -> Then + Send + Sync + 'static,
    ) -> Self {
        TokioThreads(Tokio::start(queue, width, options, script))
    }

    async fn drain(self) -> bool {
        self.0.drain().await
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap()
            .block_on(test);
    }
}

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
        on_each_rig!(@ threads Threads $($case)*);
        on_each_rig!(@ tokio Tokio $($case)*);
        on_each_rig!(@ tokio_threads TokioThreads $($case)*);
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
