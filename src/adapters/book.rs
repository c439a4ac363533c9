//! [`Book`]: the clients of an adapter that have a push in progress, or whose last one has failed.
//!
//! Times are those of the adapter's clock. The keeper (`pushes/keeper.rs`) works off what is due.

use alloc::collections::BTreeSet;
use core::mem;
use core::time::Duration;
use std::collections::HashMap;

use futures_util::future::AbortHandle;

use super::observe::PushSpan;
use super::outcome::{Outcome, PushError, Stats};
use super::push::Handle;
use crate::lease::{Lease, Permit};
use crate::registry::ClientKey;
use crate::slot::Lane;

pub(super) struct Book<Q: Handle> {
    /// By the client's place: it has one push at a time.
    pub(super) clients: HashMap<usize, Entry<Q>>,
    /// Deadlines and ends of waits, by the client's place.
    pub(super) due: BTreeSet<(Duration, usize)>,
    /// The places of the clients that wait.
    pub(super) waiting: BTreeSet<usize>,
    pub(super) watch: Watch,
    /// The earliest time to look through `waiting` again.
    pub(super) next_review: Duration,
    /// Until when the keeper sleeps; `None`: until it is notified.
    pub(super) armed: Option<Duration>,
    pub(super) drain_by: Option<Duration>,
    /// No push begins, and none waits.
    pub(super) is_stopping: bool,
    /// The keeper has gone: nothing is worked off any more.
    pub(super) has_ended: bool,
    /// The queue was found closed, and everything served.
    pub(super) was_drained: bool,
    pub(super) counts: Stats,
    /// When the last push to the client of a place began, if there is a pace.
    pub(super) paced: HashMap<usize, (ClientKey, Duration)>,
    /// How many clients were busy, and when that was read.
    pub(super) busy: Option<(Duration, usize)>,
}

/// Whether the keeper notices that a client that waits has left, or has urgent work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// No client waits, as far as it knows.
    Off,
    /// It listens for it.
    Listening,
    /// It has just looked, and looks again at `next_review`.
    Later,
}

/// A client with a push in progress, or one whose last push has failed.
pub(super) struct Entry<Q: Handle> {
    pub(super) client: ClientKey,
    pub(super) failures: u32,
    pub(super) push: Option<Ongoing<Q>>,
}

pub(super) struct Ongoing<Q: Handle> {
    /// Among all pushes that have begun.
    pub(super) number: u64,
    pub(super) phase: Phase,
    pub(super) handler: Handler,
    pub(super) permit: Option<Permit<Q>>,
    /// Back from the push.
    pub(super) lease: Option<Lease<Q>>,
    pub(super) end: Option<End>,
    pub(super) is_detached: bool,
    /// Its deadline, or the end of its wait.
    pub(super) due: Option<Duration>,
    pub(super) begun: Begun,
}

/// A push by its client and its number. When a handler that was given up returns, the client may
/// have another push.
#[derive(Clone, Copy)]
pub(super) struct PushId {
    pub(super) client: ClientKey,
    pub(super) number: u64,
}

/// What is known of a push when it begins.
pub(super) struct Begun {
    pub(super) at: Duration,
    pub(super) lane: Lane,
    /// How many publishes it contains, if that is measured.
    pub(super) publishes: u64,
    pub(super) span: PushSpan,
}

impl Begun {
    /// Leaves no span behind: that ends outside of the lock.
    pub(super) fn take(&mut self) -> Begun {
        Begun { span: mem::replace(&mut self.span, PushSpan::none()), ..*self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Active,
    /// Its client waits for the next attempt, or for its pace; the lease is in the book.
    Waiting,
    /// Its client is being unregistered.
    Evicting,
    Evicted,
}

/// What runs the handler, while it does.
pub(super) enum Handler {
    Task(AbortHandle),
    #[cfg(feature = "blocking")]
    Thread,
    Returned,
}

/// How a push ends.
pub(super) enum End {
    Complete,
    Fail(PushError),
    /// Without success and without failure: it is tried again after this long.
    Requeue(Duration),
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => End::Complete,
            Err(error) => End::Fail(error),
        }
    }
}

/// How to handle a push whose time has come.
pub(super) enum Due<Q: Handle> {
    Retry(Lease<Q>),
    Expired(ClientKey, Handler),
    Nothing,
}

impl<Q: Handle> Book<Q> {
    /// A push of a client, which has none. It has been counted.
    pub(super) fn begin(
        &mut self,
        client: ClientKey,
        handler: Handler,
        permit: Option<Permit<Q>>,
        deadline: Option<Duration>,
        begun: Begun,
    ) -> &mut Entry<Q> {
        let entry = self.clients.entry(client.index());
        let entry = entry.or_insert(Entry { client, failures: 0, push: None });
        if entry.client != client {
            *entry = Entry { client, failures: 0, push: None };
        }
        entry.push = Some(Ongoing {
            number: self.counts.begun,
            phase: Phase::Active,
            handler,
            permit,
            lease: None,
            end: None,
            is_detached: false,
            due: deadline,
            begun,
        });
        self.due.extend(deadline.map(|deadline| (deadline, client.index())));
        entry
    }

    pub(super) fn push(&mut self, client: ClientKey) -> Option<&mut Ongoing<Q>> {
        let entry = self.clients.get_mut(&client.index()).filter(|entry| entry.client == client);
        entry.and_then(|entry| entry.push.as_mut())
    }

    pub(super) fn is_handling(&self) -> bool {
        let mut pushes = self.clients.values().filter_map(|entry| entry.push.as_ref());
        pushes.any(Ongoing::is_handled)
    }

    /// True if the keeper would sleep past this.
    pub(super) fn arm(&mut self, due: Duration) -> bool {
        let is_earlier = self.armed.is_none_or(|armed| due < armed);
        if is_earlier {
            self.armed = Some(due);
        }
        is_earlier
    }

    pub(super) fn come_due(&mut self, place: usize) -> Due<Q> {
        if let Some(lease) = self.take_waiting(place) {
            return Due::Retry(lease);
        }
        let Some(entry) = self.clients.get_mut(&place) else { return Due::Nothing };
        let Some(push) = &mut entry.push else { return Due::Nothing };
        push.due = None;
        // A push that has ended is settled, though its handler is still there.
        if push.lease.is_none() || push.end.is_none() {
            push.phase = Phase::Evicting;
        }
        let handler = mem::replace(&mut push.handler, Handler::Returned);
        Due::Expired(entry.client, handler)
    }

    /// The client of the place waits from now on, until then if that is within the clock's range.
    /// True if the keeper has to be told.
    pub(super) fn wait(&mut self, place: usize, until: Option<Duration>) -> bool {
        self.waiting.insert(place);
        self.due.extend(until.map(|until| (until, place)));
        until.is_some_and(|until| self.arm(until)) || self.watch == Watch::Off
    }

    /// Ends the wait of a place, if its client waits.
    pub(super) fn take_waiting(&mut self, place: usize) -> Option<Lease<Q>> {
        if !self.waiting.remove(&place) {
            return None;
        }
        let push = self.clients.get_mut(&place)?.push.take()?;
        if let Some(due) = push.due {
            self.due.remove(&(due, place));
        }
        push.lease
    }
}

impl<Q: Handle> Ongoing<Q> {
    pub(super) fn is_handled(&self) -> bool {
        !matches!(self.handler, Handler::Returned)
    }
}
