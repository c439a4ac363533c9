//! Publishing. To many: record, mark, number. To one client: record, mark, read which of its pushes
//! contains it. In this order.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::error::{PublishError, PublishErrorKind};
use crate::fan_out::GROUP;
use crate::ready::ReadySet;
use crate::recipients::Recipients;
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, SLOTS, slots};
use crate::storage::Storage;
use crate::topics::{Scope, Topic};
use crate::version::Version;
use crate::versions::ClientPush;

/// Which clients a publish is for. It touches no others.
///
/// A client and a topic are targets by themselves: [`publish`](PushQueue::publish) takes either.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic, backlog::Dirty};
///
/// const SHOP: Topic = Topic(0);
///
/// let queue = PushQueue::<Dirty>::new(Config::new(10).topics(2));
/// let client = queue.register()?;
/// queue.publish(client, Lane::Normal, ())?;
/// queue.publish(SHOP, Lane::Normal, ())?;
/// queue.publish(Scope::any(&[SHOP, Topic(1)]), Lane::Normal, ())?;
/// queue.publish(Target::Everyone, Lane::Normal, ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Every client that is registered.
    Everyone,
    /// One client.
    One(ClientKey),
    /// The clients that depend on one topic.
    Topic(Topic),
    /// The clients that depend on some topics.
    Topics(Scope<'a>),
}

impl From<ClientKey> for Target<'_> {
    fn from(client: ClientKey) -> Self {
        Target::One(client)
    }
}

impl From<Topic> for Target<'_> {
    fn from(topic: Topic) -> Self {
        Target::Topic(topic)
    }
}

impl<'a> From<Scope<'a>> for Target<'a> {
    fn from(scope: Scope<'a>) -> Self {
        Target::Topics(scope)
    }
}

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Publishes a change: every client it concerns will be leased, with this request merged into
    /// what it is still to be sent.
    ///
    /// All that the caller wrote before is visible to those leases. The version says when all of
    /// them have completed.
    ///
    /// Lock-free; and the backlog's lock, to record the request. A publish to one client, and one
    /// to everyone that records nothing for each client, take the same time for any number of
    /// clients; any other takes time in proportion to the banks.
    ///
    /// # Errors
    ///
    /// [`Closed`](PublishErrorKind::Closed), [`Stale`](PublishErrorKind::Stale) (the one client has
    /// left) or [`UnknownTopic`](PublishErrorKind::UnknownTopic); the error gives the request back.
    ///
    /// A publish that is under way while its client leaves may give the place's next client a
    /// redundant push. A client may also receive a redundant push in a race between a publish to
    /// everyone and workers. No push is ever missing.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn publish<'t>(
        &self,
        target: impl Into<Target<'t>>,
        lane: Lane,
        request: impl Into<B::Request>,
    ) -> Result<Version, PublishError<B::Request>> {
        let request = request.into();
        if self.is_closed() {
            return Err(PublishError { kind: PublishErrorKind::Closed, request });
        }
        match target.into() {
            Target::One(client) => self.publish_to_one(client, lane, request),
            Target::Everyone if B::ON_DEMAND => self.publish_to_everyone_on_demand(lane, request),
            Target::Everyone => self.publish_to_every_bank(lane, request),
            Target::Topics(scope) => self.publish_to_topics(scope, lane, request),
            Target::Topic(topic) => self.publish_to_topics(Scope::any(&[topic]), lane, request),
        }
    }

    /// To everyone, where requests are recorded for each client.
    fn publish_to_every_bank(
        &self,
        lane: Lane,
        request: B::Request,
    ) -> Result<Version, PublishError<B::Request>> {
        self.publish_to_each(Recipients::Everyone, lane, request, |batch, recording| {
            for bank in 0..self.banks().len() {
                batch.add(bank, self.record_and_mark(bank, ALL, lane, recording));
            }
        })
    }

    fn publish_to_topics(
        &self,
        scope: Scope<'_>,
        lane: Lane,
        request: B::Request,
    ) -> Result<Version, PublishError<B::Request>> {
        if let Some(topic) = self.topics.unknown(&scope) {
            return Err(PublishError { kind: PublishErrorKind::UnknownTopic(topic), request });
        }
        self.publish_to_each(Recipients::scope(&scope), lane, request, |batch, recording| {
            self.topics.pass_gates(&scope);
            if !B::RECORDS
                && let (&[topic], None) = (scope.any, scope.and)
            {
                for (first, reached) in self.topics.reached(topic) {
                    let (ready, slots) = self.banks().mark_many(first, reached, lane);
                    batch.add_group(first, ready, slots);
                }
                return;
            }
            self.topics.visit(&scope, self.banks().len(), |bank, mask| {
                batch.add(bank, self.record_and_mark(bank, mask, lane, recording));
            });
        })
    }

    /// To the clients that `mark` marks.
    fn publish_to_each(
        &self,
        recipients: Recipients,
        lane: Lane,
        request: B::Request,
        mark: impl FnOnce(&mut ReadyBatch<'_, B, S, N>, &mut B::Recording),
    ) -> Result<Version, PublishError<B::Request>> {
        let mut recording = self.backlog.begin(request);
        let mut batch = ReadyBatch::new(self, lane);
        mark(&mut batch, &mut recording);
        self.signal.interrupted();
        // Numbered after the last mark: a version with this number may be waited for, so its reader
        // must see the marks. Numbered before, an idle client would pass for one that is up to
        // date.
        match self.number() {
            Some(number) => Ok(Version { number, recipients }),
            None => Err(self.refused(PublishErrorKind::Closed, recording)),
        }
    }

    /// To everyone, without a mark: workers mark the clients.
    #[inline]
    fn publish_to_everyone_on_demand(
        &self,
        lane: Lane,
        request: B::Request,
    ) -> Result<Version, PublishError<B::Request>> {
        let recording = self.backlog.begin_for_everyone(request);
        let Some(number) = self.number() else {
            return Err(self.refused(PublishErrorKind::Closed, recording));
        };
        self.fan_out(lane).raise(number);
        if self.signal.is_heard() {
            let clients = self.clients();
            if clients > 0 {
                self.signal.ready(clients);
                self.signal.interrupted();
            }
        }
        // After the raise: a thread that found the queue drained before it had found it closed.
        if self.is_closed() {
            return Err(self.refused(PublishErrorKind::Closed, recording));
        }
        Ok(Version { number, recipients: Recipients::OnDemand(lane) })
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn publish_to_one(
        &self,
        client: ClientKey,
        lane: Lane,
        request: B::Request,
    ) -> Result<Version, PublishError<B::Request>> {
        let Some(seat) = self.registry.seat_of(client).filter(|seat| seat.is_of(client)) else {
            return Err(PublishError { kind: PublishErrorKind::Stale, request });
        };
        let place = client.place();
        let mut recording = self.backlog.begin(request);
        if B::RECORDS {
            self.backlog.record(&mut recording, self.cells(place.bank), 1 << place.slot);
        }
        let marked = self.banks()[place.bank].mark(1 << place.slot, lane);
        let push = self.progress(place.bank).next_push(place.slot, marked.in_progress(place.slot));
        // The mark may have reached the place's next client: a redundant push, or none if nothing
        // was recorded for it. After the mark: if this finds the queue open, a drain that comes
        // later sees the mark in the bank's word.
        let newest = if seat.is_of(client) {
            self.convergence.newest_if_open().ok_or(PublishErrorKind::Closed)
        } else {
            Err(PublishErrorKind::Stale)
        };
        if marked.ready != 0 {
            self.lane_queue(lane).join(place.bank, place.slot);
            self.signal.ready(1);
        } else if marked.in_progress(place.slot) {
            self.signal.interrupted();
        }
        match newest {
            Ok(number) => {
                Ok(Version { number, recipients: Recipients::Client(ClientPush { client, push }) })
            }
            Err(reason) => Err(self.refused(reason, recording)),
        }
    }

    /// Gives the request back.
    #[cold]
    pub(super) fn refused(
        &self,
        kind: PublishErrorKind,
        recording: B::Recording,
    ) -> PublishError<B::Request> {
        PublishError { kind, request: self.backlog.abandon(recording) }
    }

    /// Records for the live slots of `mask`, then marks exactly those; the newly ready ones.
    fn record_and_mark(
        &self,
        bank: usize,
        mask: usize,
        lane: Lane,
        recording: &mut B::Recording,
    ) -> usize {
        let (word, seats) = (&self.banks()[bank], &self.registry.seats.as_ref()[bank]);
        if !B::RECORDS {
            return word.mark(mask, lane).ready;
        }
        let mut recorded_for = [0; SLOTS];
        let (mut recorded, mut ready) = (0, 0);
        loop {
            let seen = word.load();
            let missing = seen.live() & mask & !recorded;
            if missing != 0 {
                // Before the record: a successor, which may clear its cell later, has another
                // generation.
                each(missing, |slot| recorded_for[slot] = seats[slot].generation());
                self.backlog.record(recording, self.cells(bank), missing);
                recorded |= missing;
            }
            // If a slot became live since `seen`, the exchange fails and it is recorded for.
            let Some(marked) = word.try_mark(seen, mask, lane) else {
                continue;
            };
            ready |= marked.ready;
            // A slot may have passed to another client between record and mark, and the old
            // client's leaving have dropped what was recorded.
            let mut replaced = 0;
            each(marked.marked, |slot| {
                replaced |= usize::from(seats[slot].generation() != recorded_for[slot]) << slot;
            });
            if replaced & word.load().live() == 0 {
                return ready;
            }
            recorded &= !replaced;
        }
    }
}

/// Calls `what` for each slot of a mask. A full bank, usual in a fan-out, needs no search for bits.
#[inline]
fn each(mask: usize, what: impl FnMut(usize)) {
    if mask == ALL {
        (0..SLOTS).for_each(what);
    } else {
        slots(mask).for_each(what);
    }
}

/// The banks that a publish made ready. They are put into the ready set a word at a time, and
/// signalled once at the end, also when recording panics half-way: a marked bank in no ready set
/// would never be served.
pub(super) struct ReadyBatch<'a, B: Backlog, S: Storage, N: Signal> {
    queue: &'a PushQueue<B, S, N>,
    pub(super) lane: Lane,
    /// The first of the group of banks that `mask` speaks of.
    first: usize,
    mask: usize,
    leases: usize,
}

impl<'a, B: Backlog, S: Storage, N: Signal> ReadyBatch<'a, B, S, N> {
    pub(super) fn new(queue: &'a PushQueue<B, S, N>, lane: Lane) -> Self {
        ReadyBatch { queue, lane, first: 0, mask: 0, leases: 0 }
    }

    /// Banks come in ascending order.
    #[inline]
    pub(super) fn add(&mut self, bank: usize, ready: usize) {
        if ready != 0 {
            let index = bank % GROUP;
            self.add_group(bank - index, 1 << index, ready.count_ones() as usize);
        }
    }

    /// The same of a group, which begins with the bank `first`: a bit for each bank, and the slots
    /// of all.
    pub(super) fn add_group(&mut self, first: usize, banks: usize, slots: usize) {
        if first != self.first {
            self.insert();
            self.first = first;
        }
        self.mask |= banks;
        self.leases += slots;
    }

    fn insert(&mut self) {
        if self.mask != 0 {
            self.queue.lane_queue(self.lane).set.insert_many(self.first, self.mask);
            self.mask = 0;
        }
    }
}

impl<B: Backlog, S: Storage, N: Signal> Drop for ReadyBatch<'_, B, S, N> {
    fn drop(&mut self) {
        self.insert();
        if self.leases > 0 {
            self.queue.signal.ready(self.leases);
        }
    }
}
