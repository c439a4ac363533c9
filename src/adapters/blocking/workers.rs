//! The threads of a pool: what each of them does, and how many there are.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::mem;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use event_listener::Event;

use super::block_on_until;
use crate::adapters::begin::poll_caught;
use crate::adapters::book::Handler;
use crate::adapters::builder::{Options, caught};
use crate::adapters::outcome::{Outcome, Stats, Unserved};
use crate::adapters::push::{Handle, Measures, Push};
use crate::adapters::pushes::Pushes;
use crate::adapters::waiting::next;
use crate::adapters::wake::{Listener, notify, until};
use crate::lease::Lease;

type OnPush<Q> = Box<dyn Fn(Push<Q>) -> Outcome + Send + Sync>;

pub(super) struct Workers<Q: Handle> {
    pushes: Arc<Pushes<Q>>,
    handler: OnPush<Q>,
    /// When the clock of the pushes began.
    start: Instant,
    /// How many threads are to be at work.
    size: usize,
    roster: Mutex<Roster>,
    /// A thread has left, or all are to.
    changed: Event,
}

#[derive(Default)]
struct Roster {
    /// Threads that wait for a lease or serve one in time.
    at_work: usize,
    /// Threads that were in a handler when its deadline passed, and still are. Less than none, for
    /// a moment, if one comes back before it has been counted.
    stuck: isize,
}

impl<Q: Handle> Workers<Q> {
    pub(super) fn start(
        queue: Q,
        size: usize,
        (options, measures): (Options, Option<Measures<Q>>),
        handler: OnPush<Q>,
    ) -> io::Result<Arc<Self>> {
        let start = Instant::now();
        let pushes = Pushes::new(queue, options, measures, Box::new(move || start.elapsed()));
        let (roster, changed) = (Mutex::default(), Event::new());
        let workers = Arc::new(Workers { pushes, handler, start, size, roster, changed });
        let started = (0..size).try_for_each(|_| workers.add(&mut workers.roster()));
        let keeper = Arc::clone(&workers);
        let started = started.and_then(|()| spawn("deadlines", move || keeper.keep()));
        started.inspect_err(|_| workers.stop())?;
        Ok(workers)
    }

    /// One thread more.
    fn add(self: &Arc<Self>, roster: &mut Roster) -> io::Result<()> {
        let workers = Arc::clone(self);
        spawn("push", move || workers.work())?;
        roster.at_work += 1;
        Ok(())
    }

    fn work(self: Arc<Self>) {
        let at_work = AtWork(&self);
        while let Some(lease) = self.next_lease() {
            let Some(lease) = self.pushes.admit(lease) else { continue };
            let (push, id, span) = self.pushes.begin(lease, Handler::Thread);
            let result = caught(|| span.within(|| (self.handler)(push))).map(Into::into);
            if !self.pushes.returned(id, result) && !self.take_back() {
                // Not at work since its deadline.
                mem::forget(at_work);
                return;
            }
        }
    }

    /// Waits for a lease, the end of the queue, or the order to stop.
    fn next_lease(&self) -> Option<Lease<Q>> {
        let queue = self.pushes.queue();
        loop {
            let mut leases = pin!(next(queue.clone()));
            let mut stopped = Listener::of(&self.pushes.stopped);
            let lease = poll_fn(|context| {
                let is_stopped = Pin::new(&mut stopped).poll(context).is_ready();
                if is_stopped || self.pushes.is_stopping() {
                    return Poll::Ready(None);
                }
                poll_caught(queue, leases.as_mut(), context).map(Some)
            });
            match block_on_until(None, lease)?? {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {
                    self.pushes.found_drained();
                    return None;
                }
                Err((panic, lease)) => self.pushes.begin_failed(lease, panic),
            }
        }
    }

    /// What the keeper's thread does: deadlines, and the ends of waits.
    fn keep(self: Arc<Self>) {
        loop {
            let disturbed = self.pushes.disturbed();
            let due = self.pushes.turn(&mut || self.replace());
            if self.pushes.is_stopping() && !self.pushes.is_handling() {
                return;
            }
            // A moment beyond the clock's range never comes.
            block_on_until(due.and_then(|due| self.start.checked_add(due)), disturbed);
        }
    }

    /// A thread is stuck.
    fn replace(self: &Arc<Self>) {
        let mut roster = self.roster();
        roster.at_work -= 1;
        roster.stuck += 1;
        let most = self.pushes.options().stuck_threads.unwrap_or(self.size);
        if roster.stuck <= most.try_into().unwrap_or(isize::MAX) {
            // If there are no threads to be had, one is missing until this one comes back.
            let _ = self.add(&mut roster);
        }
        drop(roster);
        notify(&self.changed, usize::MAX);
    }

    /// A stuck thread has come back. True if it is needed.
    fn take_back(&self) -> bool {
        let is_stopping = self.pushes.is_stopping();
        let mut roster = self.roster();
        roster.stuck -= 1;
        let is_needed = roster.at_work < self.size && !is_stopping;
        roster.at_work += usize::from(is_needed);
        is_needed
    }

    /// Waits until no thread is at work: all have left, or are stuck.
    pub(super) fn drain(&self, within: Duration) -> Result<(), Unserved> {
        self.pushes.drain(within);
        let by = Instant::now().checked_add(within);
        block_on_until(by, until(&self.changed, || self.roster().at_work == 0));
        self.stop();
        self.pushes.drained()
    }

    /// No thread begins another push.
    pub(super) fn stop(&self) {
        self.pushes.stop();
    }

    pub(super) fn stats(&self) -> Stats {
        self.pushes.stats()
    }

    /// Threads at work, and stuck ones.
    pub(super) fn count(&self) -> (usize, usize) {
        let roster = self.roster();
        (roster.at_work, roster.stuck.max(0).unsigned_abs())
    }

    /// Nothing in here panics half-way, so a poisoned roster is a good one.
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread at work, however it ends.
struct AtWork<'a, Q: Handle>(&'a Workers<Q>);

impl<Q: Handle> Drop for AtWork<'_, Q> {
    fn drop(&mut self) {
        self.0.roster().at_work -= 1;
        notify(&self.0.changed, usize::MAX);
    }
}

fn spawn(role: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let name = String::from("pushlane-") + role;
    thread::Builder::new().name(name).spawn(work).map(drop)
}
