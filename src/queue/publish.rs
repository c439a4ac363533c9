//! Publishing: record, mark, number, in this order.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::convergence::{Concern, Version};
use crate::error::{PublishError, Refusal};
use crate::ready::ReadySet;
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::slot::{ALL, Lane, SLOTS, slots};
use crate::storage::Storage;
use crate::topics::Scope;

/// Whom a publish is for. Whom it doesn't concern is not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Every client that is registered.
    Everyone,
    /// One client.
    One(ClientKey),
    /// The clients that depend on some topics.
    Topics(Scope<'a>),
}

const BITS: usize = usize::BITS as usize;

impl<B: Backlog, S: Storage, R: ReadySet, N: Signal> PushQueue<B, S, R, N> {
    /// Publishes a change: every client it concerns will be leased, with this request merged into what
    /// it is still to be sent.
    ///
    /// All that the caller wrote before is visible to those leases. The version says when all of them
    /// have completed. Never blocks; the cost grows with the number of banks that are concerned.
    ///
    /// # Errors
    ///
    /// [`Closed`](Refusal::Closed), [`Stale`](Refusal::Stale) (the one client has left) or
    /// [`UnknownTopic`](Refusal::UnknownTopic); the error gives the request back.
    ///
    /// A publish that is under way while its client leaves may give the place's next client one push
    /// more than it needed, never one less.
    pub fn publish(
        &self,
        target: Target<'_>,
        lane: Lane,
        request: B::Request,
    ) -> Result<Version, PublishError<B::Request>> {
        if self.is_closed() {
            return Err(PublishError { reason: Refusal::Closed, request });
        }
        let mut recording = self.backlog.begin(request);
        let mut fresh = Fresh::new(self, lane);
        let published = match target {
            Target::Everyone if !B::RECORDS => return self.publish_on_demand(lane, recording),
            Target::Everyone => {
                self.mark_each(&mut fresh, &mut recording, |_| ALL);
                Ok(Concern::Everyone)
            }
            Target::One(client) => self
                .publish_to(client, &mut fresh, &mut recording)
                .map(|()| Concern::Client(client)),
            Target::Topics(scope) => self
                .publish_scoped(&scope, &mut fresh, &mut recording)
                .map(|()| Concern::scope(&scope)),
        };
        // Numbered after the last mark, so that the number may be waited for: whoever reads it sees the
        // marks. Given before them, an idle client would pass for one that is caught up.
        let numbered = published.and_then(|concern| {
            let number = self.convergence.number().ok_or(Refusal::Closed)?;
            Ok(Version { number, concern })
        });
        numbered.map_err(|reason| PublishError { reason, request: self.backlog.abandon(recording) })
    }

    /// Two counters instead of a mark for each client: whoever serves makes the marks.
    fn publish_on_demand(
        &self,
        lane: Lane,
        recording: B::Recording,
    ) -> Result<Version, PublishError<B::Request>> {
        let fan_out = self.fan_out(lane);
        let goal = fan_out.raise();
        let number = self.convergence.number();
        fan_out.numbered(number);
        let clients = self.clients();
        if clients > 0 {
            self.signal.ready(clients);
        }
        match number {
            Some(number) => Ok(Version { number, concern: Concern::OnDemand(lane, goal) }),
            None => {
                let request = self.backlog.abandon(recording);
                Err(PublishError { reason: Refusal::Closed, request })
            }
        }
    }

    fn publish_to(
        &self,
        client: ClientKey,
        fresh: &mut Fresh<'_, B, S, R, N>,
        recording: &mut B::Recording,
    ) -> Result<(), Refusal> {
        if !self.registry.holds(client) {
            return Err(Refusal::Stale);
        }
        let place = client.place();
        self.backlog.record(recording, self.cell(place));
        let marked = self.banks()[place.bank].mark(1 << place.slot, fresh.lane);
        fresh.add(place.bank, marked.ready);
        // The mark may have reached the place's next client: it gets one push more, or none if nothing
        // was recorded for it.
        if self.registry.holds(client) { Ok(()) } else { Err(Refusal::Stale) }
    }

    fn publish_scoped(
        &self,
        scope: &Scope<'_>,
        fresh: &mut Fresh<'_, B, S, R, N>,
        recording: &mut B::Recording,
    ) -> Result<(), Refusal> {
        if let Some(topic) = self.topics.unknown(scope) {
            return Err(Refusal::UnknownTopic(topic));
        }
        self.topics.pass_gates(scope);
        self.mark_each(fresh, recording, |bank| self.topics.concerned(scope, bank));
        Ok(())
    }

    /// Records and marks, bank after bank, whomever `concerned` names.
    fn mark_each(
        &self,
        fresh: &mut Fresh<'_, B, S, R, N>,
        recording: &mut B::Recording,
        concerned: impl Fn(usize) -> usize,
    ) {
        let lane = fresh.lane;
        for bank in 0..self.banks().len() {
            let mask = concerned(bank);
            if mask == 0 {
                continue;
            }
            let ready = if B::RECORDS {
                self.record_and_mark(bank, mask, lane, recording)
            } else {
                self.banks()[bank].mark(mask, lane).ready
            };
            fresh.add(bank, ready);
        }
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
        let mut recorded_for = [0; SLOTS];
        let (mut recorded, mut ready) = (0, 0);
        loop {
            let seen = word.load();
            for slot in slots(seen.live() & mask & !recorded) {
                recorded_for[slot] = seats[slot].generation();
                self.backlog.record(recording, &self.cells.as_ref()[bank][slot]);
                recorded |= 1 << slot;
            }
            // Whoever became live since `seen` makes the exchange fail, and is recorded for.
            let Some(marked) = word.try_mark(seen, mask, lane) else {
                continue;
            };
            ready |= marked.ready;
            // A slot may have passed to another client between record and mark, and the old client's
            // leaving have dropped what was recorded.
            let replaced = slots(marked.marked)
                .filter(|&slot| seats[slot].generation() != recorded_for[slot])
                .fold(0, |all, slot| all | 1 << slot);
            if replaced & word.load().live() == 0 {
                return ready;
            }
            recorded &= !replaced;
        }
    }
}

/// The banks that a publish made ready: put into the ready set a word at a time, and signalled once at the
/// end, also when recording panics half-way. A marked bank that is in no ready set is lost to everybody.
pub(super) struct Fresh<'a, B: Backlog, S: Storage, R: ReadySet, N: Signal> {
    queue: &'a PushQueue<B, S, R, N>,
    lane: Lane,
    /// The first of the `BITS` banks that `mask` speaks of.
    first: usize,
    mask: usize,
    leases: usize,
}

impl<'a, B: Backlog, S: Storage, R: ReadySet, N: Signal> Fresh<'a, B, S, R, N> {
    pub(super) fn new(queue: &'a PushQueue<B, S, R, N>, lane: Lane) -> Self {
        Fresh { queue, lane, first: 0, mask: 0, leases: 0 }
    }

    /// Banks come in ascending order.
    pub(super) fn add(&mut self, bank: usize, ready: usize) {
        if ready == 0 {
            return;
        }
        let first = bank - bank % BITS;
        if first != self.first {
            self.insert();
            self.first = first;
        }
        self.mask |= 1 << (bank % BITS);
        self.leases += ready.count_ones() as usize;
    }

    fn insert(&mut self) {
        if self.mask != 0 {
            self.queue.line(self.lane).set.insert_many(self.first, self.mask);
            self.mask = 0;
        }
    }
}

impl<B: Backlog, S: Storage, R: ReadySet, N: Signal> Drop for Fresh<'_, B, S, R, N> {
    fn drop(&mut self) {
        self.insert();
        if self.leases > 0 {
            self.queue.signal.ready(self.leases);
        }
    }
}
