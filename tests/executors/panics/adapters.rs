//! No panic stops an adapter. Each case ends with another client that is served.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Backoff, Dispatcher};
use pushlane::{ClientKey, Config};

use crate::request::{CLONE, DROP, MERGE, panic_quietly};
use crate::rig::{
    Log, OneFuture, Options, Push, Queue, Rig, Then, Tokio, complete, fail, gate, options, publish,
    publish_to_all,
};

on_each_rig! {
    a_merge_panics_while_a_lease_begins
    a_clone_panics_while_a_lease_begins
    a_client_whose_leases_never_begin_is_evicted
    a_handler_panics_and_the_merge_of_what_it_gives_back
    a_request_panics_when_a_complete_push_drops_it
    a_detached_push_panics_when_it_ends_elsewhere
    every_callback_panics
    an_error_panics_when_it_is_dropped
    what_a_handler_panics_with_panics_when_it_is_dropped
    two_panics_at_once
}

fn queue(places: usize) -> Queue {
    Arc::new(AsyncQueue::new(Config::new(places).permits(2)))
}

/// A client that comes after the accident is served, and nothing is held any more.
async fn assert_goes_on<R: Rig>(queue: Queue, rig: R) {
    let client = queue.register().unwrap();
    for bit in 0..3 {
        let version = publish(&queue, client, 1 << bit);
        queue.converged(version).await;
    }
    assert!(rig.drain().await, "everything is served");
    assert_eq!(queue.permits_held(), 0);
}

/// What a client is owed panics with what it gets next: it waits, and gets both when it can.
async fn begins_with_a_panic<R: Rig>(bit: u32) {
    let queue = queue(3);
    let bad = queue.register().unwrap();
    let (report, panics) = Log::new();
    let options = options(&queue)
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)))
        .on_panic(move |client, _| report(client));
    queue.set_permits(0);
    publish_to_all(&queue, 1);
    let version = publish_to_all(&queue, bit);
    let rig = R::start(options, 2, complete);
    queue.set_permits(2);
    assert_eq!(panics.take(3).await, [bad; 3], "reported each time, with the client");
    let good = queue.register().unwrap();
    let other = publish(&queue, good, 4);
    queue.converged(other).await;
    assert!(!queue.is_converged(version), "still owed");
    // They fall off the ring.
    let clean: Vec<_> = (0..4).map(|_| publish_to_all(&queue, 2)).collect();
    queue.converged(clean[3]).await;
    assert!(queue.is_converged(version), "it has everything");
    let stats = rig.stats();
    assert!(stats.panicked >= 3 && stats.failed == stats.panicked);
    assert_goes_on(queue, rig).await;
}

async fn a_merge_panics_while_a_lease_begins<R: Rig>() {
    begins_with_a_panic::<R>(MERGE).await;
}

async fn a_clone_panics_while_a_lease_begins<R: Rig>() {
    begins_with_a_panic::<R>(CLONE).await;
}

async fn a_client_whose_leases_never_begin_is_evicted<R: Rig>() {
    let queue = queue(2);
    let bad = queue.register().unwrap();
    let (evict, evicted) = Log::new();
    let options = options(&queue)
        .attempts(3)
        .on_evict(move |client, reason| evict((client, reason.to_string())));
    queue.set_permits(0);
    publish_to_all(&queue, 1);
    let version = publish_to_all(&queue, MERGE);
    let rig = R::start(options, 2, complete);
    queue.set_permits(2);
    let (client, reason) = evicted.next().await;
    assert_eq!(client, bad);
    assert_eq!(reason, "3 pushes failed in a row, the last one because: panicked: on purpose");
    queue.converged(version).await;
    assert!(!queue.is_registered(bad));
    assert_goes_on(queue, rig).await;
}

/// The second panic comes while the first one unwinds, if the handler ends the lease: the process
/// would abort.
async fn a_handler_panics_and_the_merge_of_what_it_gives_back<R: Rig>() {
    let queue = queue(2);
    let bad = queue.register().unwrap();
    let (report, panics) = Log::new();
    let attempts = AtomicUsize::new(0);
    let rig = R::start(
        options(&queue).on_panic(move |client, _| report(client)),
        2,
        move |push: Push| {
            if push.key() == bad && attempts.fetch_add(1, SeqCst) == 0 {
                publish(push.queue(), bad, 2);
                panic_quietly();
            }
            complete(push)
        },
    );
    let version = publish(&queue, bad, 1 | MERGE);
    assert_eq!(panics.next().await, bad);
    queue.unregister(bad).unwrap();
    queue.converged(version).await;
    assert_goes_on(queue, rig).await;
}

async fn a_request_panics_when_a_complete_push_drops_it<R: Rig>() {
    let queue = queue(2);
    let bad = queue.register().unwrap();
    let (report, panics) = Log::new();
    let rig = R::start(options(&queue).on_panic(move |client, _| report(client)), 2, complete);
    // The queue drops its own copy under no lock, and the publisher survives.
    let published = catch_unwind(AssertUnwindSafe(|| publish(&queue, bad, 1 | DROP)));
    assert_eq!(panics.next().await, bad);
    if let Ok(version) = published {
        queue.converged(version).await;
    }
    while rig.stats().completed == 0 {
        std::thread::yield_now();
    }
    assert_goes_on(queue, rig).await;
}

async fn a_detached_push_panics_when_it_ends_elsewhere<R: Rig>() {
    let queue = queue(2);
    let bad = queue.register().unwrap();
    let (report, panics) = Log::new();
    let (keep, kept) = Log::new();
    let rig = R::start(options(&queue).on_panic(move |client, _| report(client)), 2, move |push| {
        if push.key() != bad {
            return complete(push);
        }
        keep(push.detach());
        Then::End(Ok(()))
    });
    let _ = catch_unwind(AssertUnwindSafe(|| publish(&queue, bad, 1 | DROP)));
    kept.next().await.complete();
    assert_eq!(panics.next().await, bad);
    assert_goes_on(queue, rig).await;
}

async fn every_callback_panics<R: Rig>() {
    let queue = queue(4);
    let clients: Vec<_> = (0..3).map(|_| queue.register().unwrap()).collect();
    let [hangs, panics, fails] = clients[..] else { unreachable!("three") };
    let options = options(&queue)
        .deadline(R::LIMIT)
        .attempts(2)
        .on_evict(|_, _| panic_quietly())
        .on_failure(|_, _, _| panic_quietly())
        .on_panic(|_, _| panic_quietly());
    let (_opener, closed) = gate();
    let rig = R::start(options, 2, move |push| match push.key() {
        client if client == hangs => Then::Hang(push, closed.clone()),
        client if client == panics => panic_quietly(),
        client if client == fails => fail(push),
        _ => complete(push),
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(!clients.iter().any(|client| queue.is_registered(*client)));
    assert_goes_on(queue, rig).await;
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

impl std::error::Error for Bomb {}

async fn fails_with_a_bomb<R: Rig>(
    bomb: fn(Push) -> Then,
    options: impl FnOnce(Options) -> Options,
) {
    let queue = queue(2);
    let bad = queue.register().unwrap();
    let script = move |push: Push| if push.key() == bad { bomb(push) } else { complete(push) };
    let rig = R::start(options(crate::rig::options(&queue).attempts(3)), 2, script);
    let version = publish(&queue, bad, 1);
    queue.converged(version).await;
    assert!(!queue.is_registered(bad), "evicted");
    assert_goes_on(queue, rig).await;
}

async fn an_error_panics_when_it_is_dropped<R: Rig>() {
    let bomb = |push| {
        drop(push);
        Then::End(Err(Box::new(Bomb)))
    };
    fails_with_a_bomb::<R>(bomb, |options| options).await;
    fails_with_a_bomb::<R>(bomb, |options| options.on_evict(|_, reason| drop(reason))).await;
}

async fn what_a_handler_panics_with_panics_when_it_is_dropped<R: Rig>() {
    let bomb = |_| panic_any(Bomb);
    fails_with_a_bomb::<R>(bomb, |options| options).await;
    fails_with_a_bomb::<R>(bomb, |options| options.on_panic(|_, panic| drop(panic))).await;
}

/// Panics while a panic unwinds, and survives it.
struct Unwinding;

impl Drop for Unwinding {
    fn drop(&mut self) {
        assert!(catch_unwind(|| panic_quietly()).is_err() && std::thread::panicking());
    }
}

/// A handler that panics has something that panics when it is dropped.
async fn two_panics_at_once<R: Rig>() {
    fails_with_a_bomb::<R>(
        |push| {
            let _both = (Unwinding, push);
            panic_quietly();
        },
        |options| options,
    )
    .await;
}

/// The handler's future panics when it is dropped, after its end or at its deadline.
async fn futures_panic_when_they_are_dropped(
    start: impl FnOnce(Options, fn(Push) -> Handling) -> Dispatcher<Queue>,
) {
    let queue = queue(3);
    let clients: Vec<ClientKey> = (0..2).map(|_| queue.register().unwrap()).collect();
    let options = options(&queue).deadline(Duration::from_secs(1)).attempts(2);
    let dispatcher = start(options, |push| Handling(Some(push)));
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(!clients.iter().any(|client| queue.is_registered(*client)), "{:?}", dispatcher);
    assert_eq!(dispatcher.stats().evicted, 2);
    drop(dispatcher);
    assert_eq!(queue.permits_held(), 0);
}

/// Of the first client, done at once; of the others, never. Panics when it is dropped.
struct Handling(Option<Push>);

impl Future for Handling {
    type Output = pushlane::adapters::Outcome;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        match self.0.take_if(|push| push.key().index() == 0) {
            Some(_) => std::task::Poll::Ready(Ok(())),
            None => std::task::Poll::Pending,
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

#[test]
fn futures_of_tasks_panic_when_they_are_dropped() {
    Tokio::run(futures_panic_when_they_are_dropped(|options, handler| options.start(handler)));
}

#[test]
fn futures_within_one_panic_when_they_are_dropped() {
    OneFuture::run(futures_panic_when_they_are_dropped(|options, handler| {
        let timer = pushlane::adapters::TokioTimer::default();
        let (dispatcher, serving) = options.run(timer, handler);
        tokio::spawn(serving);
        dispatcher
    }));
}
