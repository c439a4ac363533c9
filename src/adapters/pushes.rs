//! [`Pushes`]: the pushes of an adapter that have not ended, and what becomes of each.
//!
//! A push has two ends: its handler returns, and the [`Push`] is dropped. When it has reached both,
//! it is settled:
//!
//! ```text
//!               begin                settle: completed ──────────► lease completed
//!     next lease ───► active ──────────────┤
//!                       │                  ├ failed ──► waiting ──► lease given back
//!              deadline │                  │             backoff
//!                       ▼                  ▼ too often
//!                     evicting ◄───────────┘
//! ```
//!
//! A client that waits holds its lease and no permit: nothing else leases it, what is published for
//! it merges, and it goes on holding back what it has not got. Deadlines and the ends of waits are
//! in one list, which the adapter's keeper works off: `pushes/keeper.rs`.
//!
//! User code runs where leases and permits end, in callbacks, and when a client is unregistered.
//! All of that is done after the lock has been released, and a panic there is caught.

mod keeper;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::hash::BuildHasher;
use core::mem;
use core::time::Duration;
use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;

use super::book::{Begun, Book, End, Handler, Ongoing, Phase, PushId, Watch};
use super::builder::{Options, Panic, caught, shielded};
use super::observe::{Ended, PushSpan};
use super::outcome::{EvictReason, PushError, Stats, Unserved};
use super::push::{Handle, Measures, Push};
use super::wake::notify;
use crate::lease::{Lease, Permit};
use crate::queue::Serve;
use crate::registry::ClientKey;
use crate::slot::Lane;

/// For how long the number of busy clients is taken for true.
const BUSY_FOR: Duration = Duration::from_millis(10);

/// The message of a panic, if it has one.
pub(super) fn message(panic: &Panic) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<alloc::string::String>().map(|it| &**it))
}

pub(super) type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

pub(super) struct Pushes<Q: Handle> {
    queue: Q,
    options: Options,
    measures: Option<Measures<Q>>,
    clock: Clock,
    jitter: RandomState,
    book: Mutex<Book<Q>>,
    /// A deadline or wait is due earlier than the keeper knows, or the adapter stops.
    pub(super) changed: Event,
    /// No push begins any more, or the keeper has gone.
    pub(super) stopped: Event,
}

/// What is left to do about a push when the lock has been released.
struct Rest<Q: Handle> {
    client: ClientKey,
    permit: Option<Permit<Q>>,
    lease: Option<Lease<Q>>,
    is_complete: bool,
    failure: Option<(u32, PushError)>,
    is_evicted: bool,
    /// How it has ended, if it was a push that had begun.
    ended: Option<(Begun, Ended)>,
    /// Of no use any more.
    dropped: Option<End>,
    /// The keeper would sleep for too long.
    is_earlier: bool,
}

impl<Q: Handle> Pushes<Q> {
    pub(super) fn new(
        queue: Q,
        options: Options,
        measures: Option<Measures<Q>>,
        clock: Clock,
    ) -> Arc<Self> {
        let book = Book {
            clients: HashMap::new(),
            due: BTreeSet::new(),
            waiting: BTreeSet::new(),
            watch: Watch::Off,
            next_review: Duration::ZERO,
            armed: None,
            drain_by: None,
            is_stopping: false,
            has_ended: false,
            was_drained: false,
            counts: Stats::default(),
            paced: HashMap::new(),
            busy: None,
        };
        let (jitter, book) = (RandomState::new(), Mutex::new(book));
        let (changed, stopped) = (Event::new(), Event::new());
        Arc::new(Pushes { queue, options, measures, clock, jitter, book, changed, stopped })
    }

    pub(super) fn queue(&self) -> &Q {
        &self.queue
    }

    #[cfg(feature = "blocking")]
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// Holds a lease back that comes too early for its client's pace: `None`.
    pub(super) fn admit(&self, mut lease: Lease<Q>) -> Option<Lease<Q>> {
        let Some(pace) = self.options.pace else { return Some(lease) };
        let (client, now) = (lease.key(), self.now());
        let busy = if pace.is_fixed() { 0 } else { self.busy(now) };
        let mut book = self.book();
        let place = client.index();
        let last = book.paced.get(&place).filter(|last| last.0 == client).map(|last| last.1);
        let wait = last.and_then(|last| pace.wait(last, now, busy));
        let until = wait.and_then(|wait| now.checked_add(wait));
        let Some(until) = until.filter(|_| lease.lane() == Lane::Normal && !book.is_stopping)
        else {
            book.paced.insert(place, (client, now));
            return Some(lease);
        };
        drop(book);
        // Not under the lock: it wakes others.
        lease.release_permit();
        let begun = self.begun(&lease, now);
        let mut book = self.book();
        if book.is_stopping {
            drop(book);
            self.end(lease, false);
            return None;
        }
        let entry = book.begin(client, Handler::Returned, None, Some(until), begun);
        if let Some(push) = &mut entry.push {
            push.phase = Phase::Waiting;
            push.lease = Some(lease);
        }
        let is_earlier = book.wait(place, Some(until));
        drop(book);
        if is_earlier {
            notify(&self.changed, usize::MAX);
        }
        None
    }

    /// How many clients are busy. One load for each bank, so not for each push.
    fn busy(&self, now: Duration) -> usize {
        let known = self.book().busy;
        if let Some((_, busy)) = known.filter(|(at, _)| now.saturating_sub(*at) < BUSY_FOR) {
            return busy;
        }
        let busy = self.queue.as_queue().stats().busy;
        self.book().busy = Some((now, busy));
        busy
    }

    fn begun(&self, lease: &Lease<Q>, at: Duration) -> Begun {
        Begun { at, lane: lease.lane(), publishes: 0, span: PushSpan::none() }
    }

    /// A push begins. A limit that is beyond the clock's range is none.
    pub(super) fn begin(
        self: &Arc<Self>,
        mut lease: Lease<Q>,
        handler: Handler,
    ) -> (Push<Q>, PushId, PushSpan) {
        let (client, permit) = (lease.key(), lease.take_permit());
        let now = self.now();
        let deadline = self.options.limit.and_then(|limit| now.checked_add(limit));
        let mut begun = self.begun(&lease, now);
        let mut queued = None;
        if let Some(measures) = self.measures {
            // It is user code.
            shielded(|| {
                let (published, publishes) = measures(lease.request());
                begun.publishes = publishes;
                queued = published.map(|at| at.elapsed());
            });
        }
        let mut book = self.book();
        book.counts.begun += 1;
        let id = PushId { client, number: book.counts.begun };
        let failures = book.begin(client, handler, permit, deadline, begun.take()).failures;
        let is_earlier = deadline.is_some_and(|deadline| book.arm(deadline));
        drop(book);
        shielded(|| begun.span = PushSpan::new(client, begun.lane, failures.saturating_add(1)));
        // Not under the lock: a span is the subscriber's code.
        let span = begun.span.clone();
        if let Some(push) = self.book().push(client) {
            push.begun.span = span;
        }
        shielded(|| self.options.observer.begun(client, &begun, queued));
        if is_earlier {
            notify(&self.changed, usize::MAX);
        }
        let push = Push::new(lease, failures.saturating_add(1), deadline, Arc::clone(self));
        (push, id, begun.span)
    }

    /// User code has panicked while a lease began; the lease is there if its client is known.
    pub(super) fn begin_failed(&self, lease: Option<Lease<Q>>, panic: Panic) {
        let Some(mut lease) = lease else { return shielded(|| drop(panic)) };
        let (client, permit) = (lease.key(), lease.take_permit());
        let begun = self.begun(&lease, self.now());
        let mut book = self.book();
        book.counts.begun += 1;
        book.begin(client, Handler::Returned, permit, None, begun);
        drop(book);
        let failure = End::Fail(self.panicked(client, panic));
        self.give_back(lease, Some(failure));
    }

    pub(super) fn release_permit(&self, client: ClientKey) {
        let permit = self.book().push(client).and_then(|push| push.permit.take());
        // Not under the lock: it wakes others.
        drop(permit);
    }

    pub(super) fn is_expired(&self, client: ClientKey) -> bool {
        // A push that is not in the book has been evicted, for it is asked by the push.
        self.book().push(client).is_none_or(|push| push.phase != Phase::Active)
    }

    pub(super) fn detach(&self, client: ClientKey) {
        if let Some(push) = self.book().push(client) {
            push.is_detached = true;
        }
    }

    /// The push has been dropped, or ended from outside of its handler.
    pub(super) fn give_back(&self, lease: Lease<Q>, end: Option<End>) {
        let (client, now) = (lease.key(), self.now());
        let mut book = self.book();
        let Some(push) = book.push(client) else { unreachable!("in the book until it is back") };
        push.lease = Some(lease);
        let before = if end.is_some() { mem::replace(&mut push.end, end) } else { None };
        let rest = self.settle(&mut book, client, now);
        drop(book);
        shielded(|| drop(before));
        self.finish(rest);
    }

    /// The handler has returned. False if it had been given up at its deadline.
    pub(super) fn returned(&self, id: PushId, result: Result<End, Panic>) -> bool {
        let client = id.client;
        let end = result.unwrap_or_else(|panic| End::Fail(self.panicked(client, panic)));
        let mut end = Some(end);
        let now = self.now();
        let mut book = self.book();
        let is_it = |push: &&mut Ongoing<Q>| push.number == id.number && push.is_handled();
        let Some(push) = book.push(client).filter(is_it) else {
            drop(book);
            shielded(|| drop(end));
            return false;
        };
        push.handler = Handler::Returned;
        // What has been decided before goes first, and a detached push is still to be decided.
        if push.end.is_none() && !(push.is_detached && matches!(end, Some(End::Complete))) {
            push.end = end.take();
        }
        let rest = self.settle(&mut book, client, now);
        let is_last = book.is_stopping && !book.is_handling();
        drop(book);
        shielded(|| drop(end));
        self.finish(rest);
        if is_last {
            notify(&self.changed, usize::MAX);
        }
        true
    }

    /// Decides what becomes of a push, if it has reached both of its ends. The clock is read before
    /// the lock is taken.
    fn settle(&self, book: &mut Book<Q>, client: ClientKey, now: Duration) -> Option<Rest<Q>> {
        let is_stopping = book.is_stopping;
        let entry = book.clients.get_mut(&client.index())?;
        let push = entry.push.as_mut()?;
        let mut rest = Rest {
            client,
            permit: None,
            lease: None,
            is_complete: false,
            failure: None,
            is_evicted: false,
            ended: None,
            dropped: None,
            is_earlier: false,
        };
        if push.phase == Phase::Evicted {
            // Nobody waits for the handler of a client that is gone.
            rest.lease = push.lease.take();
            if rest.lease.is_some() {
                rest.ended = Some((push.begun.take(), Ended::Evicted));
                rest.dropped = push.end.take();
                book.clients.remove(&client.index());
            }
            return Some(rest);
        }
        if push.phase != Phase::Active || push.lease.is_none() || push.is_handled() {
            return None;
        }
        rest.permit = push.permit.take();
        let due = push.due.take();
        let end = push.end.take().unwrap_or_else(|| End::Fail("the push was dropped".into()));
        let how = match end {
            End::Complete => Ended::Completed,
            End::Requeue(_) => Ended::Requeued,
            End::Fail(_) => Ended::Failed,
        };
        let wait = match end {
            End::Complete => {
                entry.failures = 0;
                rest.is_complete = true;
                book.counts.completed += 1;
                book.counts.merged += push.begun.publishes.saturating_sub(1);
                Duration::ZERO
            }
            End::Requeue(delay) => {
                book.counts.requeued += 1;
                delay
            }
            End::Fail(error) => {
                entry.failures = entry.failures.saturating_add(1);
                book.counts.failed += 1;
                let failures = entry.failures;
                rest.failure = Some((failures, error));
                rest.is_evicted = self.options.attempts.is_some_and(|most| failures >= most);
                let random = self.jitter.hash_one((client, failures));
                self.options.backoff.after(failures, random)
            }
        };
        let until = now.checked_add(wait);
        if !rest.is_evicted {
            rest.ended = Some((push.begun.take(), how));
        }
        if rest.is_evicted {
            // It ends when its client has been unregistered.
            push.phase = Phase::Evicting;
        } else if rest.is_complete || wait.is_zero() || is_stopping {
            rest.lease = push.lease.take();
            entry.push = None;
            if entry.failures == 0 {
                book.clients.remove(&client.index());
            }
        } else {
            push.phase = Phase::Waiting;
            push.due = until;
            rest.is_earlier = book.wait(client.index(), until);
        }
        if let Some(due) = due {
            book.due.remove(&(due, client.index()));
        }
        Some(rest)
    }

    fn finish(&self, rest: Option<Rest<Q>>) {
        let Some(rest) = rest else { return };
        // First the permit: a worker that is woken by the end of the lease finds it, and a thread
        // that has seen the queue drained finds none held.
        drop(rest.permit);
        if let Some(lease) = rest.lease {
            self.end(lease, rest.is_complete);
        }
        if rest.is_earlier {
            notify(&self.changed, usize::MAX);
        }
        if let Some((begun, how)) = rest.ended {
            let observer = &self.options.observer;
            let now = if observer.is_metered() { self.now() } else { Duration::ZERO };
            // Drops its span as well.
            shielded(move || observer.ended(&begun, how, now));
            shielded(|| observer.progressed(&self.queue, now));
        }
        shielded(|| drop(rest.dropped));
        let Some((attempts, last)) = rest.failure else { return };
        self.options.failed(rest.client, attempts, &last);
        if rest.is_evicted {
            self.evict(rest.client, EvictReason::Failures { attempts, last });
        } else {
            shielded(|| drop(last));
        }
    }

    fn end(&self, lease: Lease<Q>, is_complete: bool) {
        let client = lease.key();
        let ended = caught(|| if is_complete { lease.complete() } else { lease.requeue() });
        ended.unwrap_or_else(|panic| drop(self.panicked(client, panic)));
    }

    /// Unregisters a client whose push is in [`Phase::Evicting`]. Its lease ends afterwards, when
    /// it is back: ended before, the client could be leased once more.
    fn evict(&self, client: ClientKey, reason: EvictReason) {
        let left = caught(|| self.queue.as_queue().unregister(client));
        let is_evicted = match left {
            Ok(left) => left.is_ok(),
            Err(panic) => {
                drop(self.panicked(client, panic));
                true
            }
        };
        let now = self.now();
        let mut book = self.book();
        book.counts.evicted += u64::from(is_evicted);
        let permit = book.push(client).and_then(|push| {
            push.phase = Phase::Evicted;
            push.permit.take()
        });
        let rest = self.settle(&mut book, client, now);
        drop(book);
        drop(permit);
        self.finish(rest);
        if is_evicted {
            self.options.evicted(client, reason);
        } else {
            shielded(|| drop(reason));
        }
    }

    /// Reports a panic, and makes an error of it.
    fn panicked(&self, client: ClientKey, panic: Panic) -> PushError {
        let error =
            message(&panic).map_or("panicked".into(), |it| alloc::format!("panicked: {it}").into());
        self.book().counts.panicked += 1;
        self.options.panicked(client, panic);
        error
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.book().is_stopping
    }

    /// Whether a handler runs that has not been given up.
    #[cfg(feature = "blocking")]
    pub(super) fn is_handling(&self) -> bool {
        self.book().is_handling()
    }

    /// The keeper has gone.
    pub(super) fn ended(&self) {
        self.stop();
        self.book().has_ended = true;
        notify(&self.stopped, usize::MAX);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.book().has_ended
    }

    /// Closes the queue, and stops when everything has been served, or after this long.
    pub(super) fn drain(&self, within: Duration) {
        self.queue.as_queue().close();
        let by = self.now().checked_add(within);
        self.book().drain_by = by;
        notify(&self.changed, usize::MAX);
    }

    /// There is nothing more to serve. A publish that is refused later may still mark clients.
    pub(super) fn found_drained(&self) {
        self.book().was_drained = true;
    }

    /// How a drain has ended.
    pub(super) fn drained(&self) -> Result<(), Unserved> {
        if self.book().was_drained || self.queue.as_queue().is_drained() {
            return Ok(());
        }
        Unserved::check(self.queue.as_queue())
    }

    pub(super) fn stats(&self) -> Stats {
        let book = self.book();
        let pushes = book.clients.values().filter(|entry| entry.push.is_some()).count();
        let backing_off = book.waiting.len();
        Stats { in_progress: pushes - backing_off, backing_off, ..book.counts }
    }

    /// Nothing in here panics half-way, so a poisoned book is a good one.
    fn book(&self) -> MutexGuard<'_, Book<Q>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
