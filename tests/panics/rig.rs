//! A request whose clone, merge and drop do what a test says, and the state that a queue must be in
//! afterwards.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pushlane::backlog::{Backlog, Everything, Journal, Locked, Merge, Shared};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, PushQueue, RegisterError, Signal, Target, Version};

/// Where a request acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Nothing,
    Clone,
    Merge,
    Drop,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) changes: u32,
    on: On,
    /// Where its clones act.
    copies: On,
}

impl Request {
    pub(crate) fn new(changes: u32, on: On, copies: On) -> Self {
        Request { changes, on, copies }
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        act(self.on == On::Clone);
        Request { changes: self.changes, on: self.copies, copies: self.copies }
    }
}

impl Merge for Request {
    fn merge(&mut self, other: &Self) {
        act([self.on, other.on, other.copies].contains(&On::Merge));
        self.changes |= other.changes;
        if other.copies == On::Drop {
            (self.on, self.copies) = (On::Drop, On::Drop);
        }
    }
}

impl Everything for Request {
    fn everything() -> Self {
        Request::new(u32::MAX, On::Nothing, On::Nothing)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        act(self.on == On::Drop);
    }
}

type Hook = Box<dyn FnOnce()>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// The next request that acts runs this. Without a hook it panics.
pub(crate) fn hook(hook: impl FnOnce() + 'static) {
    HOOK.set(Some(Box::new(hook)));
}

pub(crate) fn is_hook_left() -> bool {
    HOOK.with_borrow(Option::is_some)
}

pub(crate) fn act(acts: bool) {
    if acts {
        match HOOK.take() {
            Some(hook) => hook(),
            None => panic_quietly(),
        }
    }
}

/// Unwinds without the hook that would print a message into the test's output.
pub(crate) fn panic_quietly() -> ! {
    resume_unwind(Box::new("as the test wants it"))
}

pub(crate) fn panics<T>(what: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err(), "it was to panic");
}

/// Backlogs of these requests.
pub(crate) trait Kind:
    'static + Backlog<Payload = <Self as Backlog>::Request> + Default
{
    /// A request that acts where it is recorded, not in the hands of its publisher.
    fn request(changes: u32, on: On) -> Self::Request;
    fn changes(payload: &Self::Payload) -> u32;
}

impl Kind for Locked<Request> {
    fn request(changes: u32, on: On) -> Request {
        Request::new(changes, On::Nothing, on)
    }

    fn changes(payload: &Request) -> u32 {
        payload.changes
    }
}

impl Kind for Shared<Request> {
    fn request(changes: u32, on: On) -> Arc<Request> {
        Arc::new(Request::new(changes, on, on))
    }

    fn changes(payload: &Arc<Request>) -> u32 {
        payload.changes
    }
}

impl<B: Kind> Kind for Journal<B, 4>
where
    B::Request: Everything + Clone,
{
    fn request(changes: u32, on: On) -> B::Request {
        B::request(changes, on)
    }

    fn changes(payload: &B::Request) -> u32 {
        B::changes(payload)
    }
}

/// Runs each test with each kind of backlog.
macro_rules! for_each_kind {
    ($($name:ident),* $(,)?) => {
        mod locked {
            use pushlane::backlog::Locked;
            $(#[test] fn $name() { super::$name::<Locked<super::super::rig::Request>>(); })*
        }
        mod shared {
            use pushlane::backlog::Shared;
            $(#[test] fn $name() { super::$name::<Shared<super::super::rig::Request>>(); })*
        }
        mod journal {
            use pushlane::backlog::{Journal, Shared};
            $(#[test] fn $name() { super::$name::<Journal<Shared<super::super::rig::Request>, 4>>(); })*
        }
    };
}
pub(crate) use for_each_kind;

/// Counts its calls.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) ready: AtomicUsize,
    pub(crate) progress: AtomicUsize,
}

impl Signal for Told {
    fn ready(&self, leases: usize) {
        self.ready.fetch_add(leases, Relaxed);
    }

    fn progress(&self) {
        self.progress.fetch_add(1, Relaxed);
    }
}

pub(crate) type Queue<B> = PushQueue<B, Heap, Told>;

/// A queue of two permits, and its clients.
pub(crate) fn queue<B: Kind>(places: usize, clients: usize) -> (Queue<B>, Vec<ClientKey>) {
    let queue = Queue::new(Config::new(places).permits(2));
    let clients = (0..clients).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

pub(crate) fn publish<B: Kind>(
    queue: &Queue<B>,
    client: ClientKey,
    changes: u32,
    on: On,
) -> Version {
    let request = B::request(changes, on);
    queue.publish(Target::One(client), Lane::Normal, request).expect("registered")
}

/// Whether `progress` was called since the last question.
pub(crate) fn was_told<B: Kind>(queue: &Queue<B>) -> bool {
    queue.signal().progress.swap(0, Relaxed) > 0
}

/// Nothing is in progress: all permits are back, as many places are taken as there are clients,
/// each other place can be taken, and a client that comes there is served.
#[track_caller]
pub(crate) fn assert_intact<B: Kind>(queue: &Queue<B>, clients: usize) {
    assert_eq!(queue.permits_held(), 0, "permits");
    assert_eq!(queue.clients(), clients, "places");
    let newcomers: Vec<_> =
        (clients..queue.capacity()).map(|_| queue.register().expect("there is a place")).collect();
    assert_eq!(queue.register(), Err(RegisterError::Full));
    let versions: Vec<_> =
        newcomers.iter().map(|&client| publish(queue, client, 1, On::Nothing)).collect();
    let mut served = 0;
    while let Some(lease) = queue.try_lease() {
        served += usize::from(newcomers.contains(&lease.key()));
        lease.complete();
    }
    assert_eq!(served, newcomers.len(), "each is served once");
    assert!(versions.into_iter().all(|version| queue.is_converged(version)));
    newcomers.into_iter().for_each(|client| queue.unregister(client).unwrap());
    assert_eq!((queue.permits_held(), queue.clients()), (0, clients));
    was_told(queue);
}
