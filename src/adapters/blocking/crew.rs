//! The threads of a pool: what each of them does, and how many there are.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::Poll;
use std::io;
use std::panic::catch_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use event_listener::{Event, IntoNotification};

use super::park::block_on;
use super::watch::Watch;
use crate::adapters::options::Options;
use crate::adapters::push::{Handle, Push};
use crate::adapters::waiting::next;
use crate::lease::Lease;
use crate::queue::Serve;

pub(super) struct Crew<Q: Handle> {
    queue: Q,
    options: Options,
    handler: Box<dyn Fn(Push<Q>) + Send + Sync>,
    /// How many threads are to be at work.
    size: usize,
    roster: Mutex<Roster>,
    /// A thread has left.
    left: Condvar,
    stop: Event,
    watch: Watch<Q>,
}

#[derive(Default)]
struct Roster {
    /// Threads that wait for a lease or serve one in time.
    at_work: usize,
    /// Threads that were in a handler when its deadline passed, and still are.
    stuck: usize,
    stopping: bool,
    /// A thread has found the queue closed and drained.
    drained: bool,
}

impl<Q: Handle> Crew<Q> {
    pub(super) fn start(
        queue: Q,
        size: usize,
        options: Options,
        handler: Box<dyn Fn(Push<Q>) + Send + Sync>,
    ) -> io::Result<Arc<Self>> {
        let crew = Arc::new(Crew {
            queue,
            options,
            handler,
            size,
            roster: Mutex::default(),
            left: Condvar::new(),
            stop: Event::new(),
            watch: Watch::new(),
        });
        let started = (0..size).try_for_each(|_| crew.hire(&mut crew.roster()));
        let started = started.and_then(|()| match crew.options.limit {
            None => Ok(()),
            Some(_) => {
                let crew = Arc::clone(&crew);
                spawn("deadlines", move || crew.enforce_deadlines())
            }
        });
        started.inspect_err(|_| crew.stop())?;
        Ok(crew)
    }

    /// One thread more.
    fn hire(self: &Arc<Self>, roster: &mut Roster) -> io::Result<()> {
        let crew = Arc::clone(self);
        spawn("push", move || crew.work())?;
        roster.at_work += 1;
        Ok(())
    }

    fn work(self: Arc<Self>) {
        let on_roster = OnRoster(&self);
        while let Some(lease) = self.next_lease() {
            let (push, grant) = Push::begin(lease, &self.options, Instant::now);
            self.watch.enter(&grant);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.handler)(push))) {
                self.options.panicked(grant.client(), panic);
            }
            if !grant.returned() && !self.take_back() {
                // Off the roster since its deadline.
                mem::forget(on_roster);
                return;
            }
        }
    }

    /// Waits for a lease, the end of the queue, or the order to stop.
    fn next_lease(&self) -> Option<Lease<Q>> {
        if self.roster().stopping {
            return None;
        }
        let mut next = pin!(next(self.queue.clone()));
        let mut stop = None;
        block_on(poll_fn(|context| {
            if let Poll::Ready(lease) = next.as_mut().poll(context) {
                self.roster().drained |= lease.is_none();
                return Poll::Ready(lease);
            }
            let stop = stop.get_or_insert_with(|| self.stop.listen());
            // Looked at again, now that the order can't be missed.
            if self.roster().stopping {
                return Poll::Ready(None);
            }
            Pin::new(stop).poll(context).map(|()| None)
        }))
    }

    /// The deadlines' thread.
    fn enforce_deadlines(self: Arc<Self>) {
        while let Some(grant) = self.watch.next() {
            self.options.expire(&grant);
            let mut roster = self.roster();
            if !grant.abandon() {
                continue;
            }
            roster.at_work -= 1;
            roster.stuck += 1;
            let most = self.options.stuck_threads.unwrap_or(self.size);
            if roster.stuck <= most && !roster.stopping {
                // If there are no threads to be had, one is missing until this one comes back.
                let _ = self.hire(&mut roster);
            }
            drop(roster);
            self.left.notify_all();
        }
    }

    /// A stuck thread has come back. True if it is needed.
    fn take_back(&self) -> bool {
        let mut roster = self.roster();
        roster.stuck -= 1;
        let needed = roster.at_work < self.size && !roster.stopping;
        if needed {
            roster.at_work += 1;
        }
        needed
    }

    /// Waits until no thread is at work: all have left, or are stuck. True if the queue was drained.
    pub(super) fn wait(&self) -> bool {
        let mut roster = self.roster();
        while roster.at_work > 0 {
            roster = self.left.wait(roster).unwrap_or_else(PoisonError::into_inner);
        }
        roster.drained || self.queue.is_drained()
    }

    /// No thread begins another push.
    pub(super) fn stop(&self) {
        self.roster().stopping = true;
        self.stop.notify(usize::MAX.additional());
        self.watch.close();
    }

    pub(super) fn queue(&self) -> &Q {
        &self.queue
    }

    /// Threads at work, and stuck ones.
    pub(super) fn count(&self) -> (usize, usize) {
        let roster = self.roster();
        (roster.at_work, roster.stuck)
    }

    /// Nothing in here panics half-way, so a poisoned roster is a good one.
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread at work. Leaves the roster however the thread ends.
struct OnRoster<'a, Q: Handle>(&'a Crew<Q>);

impl<Q: Handle> Drop for OnRoster<'_, Q> {
    fn drop(&mut self) {
        self.0.roster().at_work -= 1;
        self.0.left.notify_all();
    }
}

fn spawn(role: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let name = String::from("pushlane-") + role;
    thread::Builder::new().name(name).spawn(work).map(drop)
}
