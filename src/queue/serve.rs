//! Serving: permit, claim, number, backlog, in this order; and the end of a push. `lanes.rs`
//! chooses the client.
//!
//! The path from `try_lease` to the end of the push is inlined into its caller where code size
//! permits: a lease that is returned through memory costs more than an atomic operation.

use core::ops::Deref;

use super::PushQueue;
use crate::backlog::Backlog;
use crate::batch::Batch;
use crate::convergence::Seq;
use crate::lease::Lease;
use crate::ready::ReadySet;
use crate::ready::lane::Served;
use crate::registry::{ClientKey, Place};
use crate::signal::Signal;
use crate::slot::{Lane, Released};
use crate::storage::Storage;
use crate::unwind::OnDrop;

mod sealed {
    pub trait Sealed {}
}

/// A queue, without its type parameters: what leases and adapters are generic over. Implemented by
/// [`PushQueue`] alone.
pub trait Serve: sealed::Sealed {
    /// What a lease holds.
    type Payload;
    /// What a publish carries.
    type Backlog: Backlog<Payload = Self::Payload>;
    /// Where the queue lives.
    type Storage: Storage;
    /// How workers are notified.
    type Signal: Signal;

    /// The queue.
    fn as_queue(&self) -> &PushQueue<Self::Backlog, Self::Storage, Self::Signal>;
}

impl<B: Backlog, S: Storage, N: Signal> sealed::Sealed for PushQueue<B, S, N> {}

impl<B: Backlog, S: Storage, N: Signal> Serve for PushQueue<B, S, N> {
    type Payload = B::Payload;
    type Backlog = B;
    type Storage = S;
    type Signal = N;

    #[inline]
    fn as_queue(&self) -> &Self {
        self
    }
}

/// What a push in progress can ask about its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It has nothing newer to be sent.
    Current,
    /// More is pending, and this is the most urgent lane of it.
    Superseded(Lane),
    /// It has left.
    Gone,
}

/// The plain data of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(crate) client: ClientKey,
    pub(crate) lane: Lane,
    /// The newest number when the lease began: what it contains goes at least this far.
    pub(crate) seen: Seq,
    /// Whether its permit is counted, and has to come back: not if there was no limit when it
    /// began.
    pub(crate) counted: bool,
    /// Whether its end changes to which topics the client belongs.
    pub(crate) changing: bool,
}

impl Ticket {
    #[inline]
    pub(super) fn place(&self) -> Place {
        self.client.place()
    }
}

/// How often a lease tries again when it found nothing although something is ready: another thread
/// is in the middle of an operation then. After this the queue signals once more, so that no thread
/// spins on a stalled one.
pub(super) const LOOKS: usize = 2;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Begins a push, if a permit is free and a client is ready.
    ///
    /// Lock-free; and the backlog's lock, to take the request. If a merge panics then, the client
    /// stays queued and the permit comes back.
    ///
    /// `None` means that there was nothing to do at some moment during the call. The queue's
    /// [`Signal`] is notified when that changes.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn try_lease(&self) -> Option<Lease<&Self>> {
        // Not by `Lease::begin`: it would make an error of what is `None` here.
        let (ticket, payload) = self.begin()?;
        Some(Lease::from_parts(self, ticket, payload))
    }

    /// As [`try_lease`](PushQueue::try_lease), for a queue behind an `Arc` or any other handle: the
    /// lease can be sent to a task or thread that outlives the caller.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = Arc::new(PushQueue::<Dirty>::new(Config::new(10)));
    /// let client = queue.register()?;
    /// queue.publish(Target::One(client), Lane::Normal, ())?;
    /// let lease = PushQueue::try_lease_from(Arc::clone(&queue)).expect("ready");
    /// std::thread::spawn(move || lease.complete()).join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_lease_from<Q: Deref<Target = Self>>(queue: Q) -> Option<Lease<Q>> {
        Lease::begin(queue).ok()
    }

    /// Begins up to `most` pushes at once, as far as permits and clients that are ready go: the
    /// permits in one step, the clients in another. They are of one bank, so there are
    /// [`SLOTS`](crate::SLOTS) of them at most, and they are served in the same order as by
    /// [`try_lease`](PushQueue::try_lease). Progress is the same, too. If a merge panics, all of
    /// the batch stay queued.
    ///
    /// `None` as there, and for 0.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(100).permits(8));
    /// let clients: Vec<_> = (0..5).map(|_| queue.register()).collect::<Result<_, _>>()?;
    /// queue.publish(Target::Everyone, Lane::Normal, ())?;
    /// let batch = queue.try_lease_batch(4).expect("ready");
    /// assert_eq!(batch.len(), 4);
    /// for (client, _request) in batch.iter() {
    ///     assert!(clients.contains(&client)); // send it what it needs
    /// }
    /// batch.complete();
    /// assert_eq!(queue.try_lease_batch(4).expect("ready").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lease_batch(&self, most: usize) -> Option<Batch<&Self>> {
        Batch::begin(self, most)
    }

    /// As [`try_lease_batch`](PushQueue::try_lease_batch), for a queue behind an `Arc` or any other
    /// handle.
    pub fn try_lease_batch_from<Q: Deref<Target = Self>>(
        queue: Q,
        most: usize,
    ) -> Option<Batch<Q>> {
        Batch::begin(queue, most)
    }

    /// Claims until there is something to push. The caller holds a permit.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn begin_next(&self, counted: bool) -> Option<(Ticket, B::Payload)> {
        loop {
            let Served { bank, claimed, .. } = self.claim(1)?;
            let slot = claimed.slots.trailing_zeros() as usize;
            let place = Place { bank, slot };
            let seen = self.convergence.newest(); // after the claim
            match self.take(place, claimed.lane(slot), seen, counted) {
                (ticket, Some(payload)) => return Some((ticket, payload)),
                // If the client is ready again, this thread may go on with another one.
                (ticket, None) => self.finish_empty(&ticket, counted.into()),
            }
        }
    }

    /// Takes what is pending for a claimed slot; if this panics, the slot and its permit go back.
    /// `None`: an earlier lease took it between its record and its mark, and has delivered it.
    ///
    /// `seen` was read after the claim, and the backlog is taken after that, so it contains every
    /// publish up to `seen`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn take(
        &self,
        place: Place,
        lane: Lane,
        seen: Seq,
        counted: bool,
    ) -> (Ticket, Option<B::Payload>) {
        let lane = self.most_urgent(place, lane);
        let client = self.registry.key(place);
        let changing = self.topics.begin(place);
        let cells = self.cells(place.bank);
        let progress = self.progress(place.bank);
        let seen = progress.enter(place.slot, seen, || self.convergence.newest());
        let ticket = Ticket { client, lane, seen, counted, changing };
        // An adapter may keep the lease and retry later; otherwise it goes back.
        let on_panic = OnDrop(move || {
            if !self.signal.keep_failed(&ticket) {
                self.requeue(&ticket, None, true);
            }
        });
        let payload = self.backlog.take(cells, place.slot);
        core::mem::forget(on_panic);
        progress.begin(place.slot, seen);
        (ticket, payload)
    }

    /// Ends a push that has no request. The caller keeps the permits; if this panics, they come
    /// back.
    #[cold]
    pub(super) fn finish_empty(&self, ticket: &Ticket, permits: usize) {
        let released = self.finish(ticket);
        self.end(released.ready(), 0);
        self.signal.progress();
        if released.leaving != 0 {
            let on_panic = OnDrop(|| self.end(0, permits));
            self.retire(ticket.place());
            core::mem::forget(on_panic);
        }
    }

    /// The client has all that its lease contained.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn finish(&self, ticket: &Ticket) -> Released {
        let Place { bank, slot } = ticket.place();
        self.complete_slot(ticket);
        self.hand_back(bank, self.banks()[bank].release(1 << slot))
    }

    /// Records the completion in the slot's data. Before the release: a later owner's must not be
    /// overwritten.
    #[inline]
    pub(super) fn complete_slot(&self, ticket: &Ticket) {
        let place = ticket.place();
        self.progress(place.bank).complete(place.slot, ticket.seen);
        if ticket.changing {
            self.topics.complete(place, || self.banks()[place.bank].was_marked(place.slot));
        }
    }

    /// Lets go of a slot that was owned, and leaves it pending.
    pub(super) fn give_back(&self, place: Place, lane: Lane) -> Released {
        let Place { bank, slot } = place;
        self.progress(bank).give_back(slot);
        self.hand_back(bank, self.banks()[bank].requeue(slot, lane))
    }

    /// Puts the bank of slots that were let go of into the ready sets where it belongs. The caller
    /// retires those that are leaving, once all else has been done.
    #[inline]
    pub(super) fn hand_back(&self, bank: usize, released: Released) -> Released {
        for (lane, pending) in [(Lane::Urgent, released.urgent), (Lane::Normal, released.normal)] {
            if pending != 0 {
                self.lane_queue(lane).set.insert(bank);
            }
        }
        released
    }

    #[cold]
    fn drop_and_retire(&self, place: Place, payload: Option<B::Payload>) {
        let _retire = OnDrop(|| self.retire(place));
        drop(payload);
    }

    /// The last step of each end: permits come back, and workers that may go on are notified.
    /// `ready` are the slots that became ready by it.
    #[inline]
    pub(crate) fn end(&self, ready: usize, permits: usize) {
        let count = || ready.count_ones() as usize;
        if permits > 0 {
            self.limiter.release(permits);
        }
        // After the release, which synchronizes with each failed acquire before it: the work of a
        // worker that failed is seen here.
        if self.signal.is_heard() && permits > 0 && !self.nothing_ready() {
            self.signal.ready(count().max(permits));
        } else if ready != 0 {
            self.signal.ready(count());
        }
    }

    /// A lease begins, with its permit.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn begin(&self) -> Option<(Ticket, B::Payload)> {
        for _ in 0..LOOKS {
            let counted = self.limiter.binds();
            if counted && self.limiter.try_acquire(1) == 0 {
                return None;
            }
            if let Some(begun) = self.begin_next(counted) {
                return Some(begun);
            }
            if counted {
                self.limiter.release(1);
            }
            // While the permit was out, work may have come, and the worker notified of it may have
            // gone to sleep for want of a permit.
            if self.nothing_ready() {
                return None;
            }
        }
        self.signal.ready(1);
        None
    }

    /// A lease ends; `permit`, if it still has its permit.
    #[cfg_attr(target_pointer_width = "64", inline(always))] // so that the lease need not be copied
    pub(crate) fn complete(&self, ticket: &Ticket, payload: Option<B::Payload>, permit: bool) {
        let released = self.finish(ticket);
        self.end(released.ready(), (permit && ticket.counted).into());
        self.signal.progress();
        // Destructors last: one that panics harms nobody else.
        if released.leaving != 0 {
            self.drop_and_retire(ticket.place(), payload);
        } else {
            drop(payload);
        }
    }

    /// A lease goes back.
    pub(crate) fn requeue(&self, ticket: &Ticket, payload: Option<B::Payload>, permit: bool) {
        let place = ticket.place();
        // Given back also if the backlog breaks its contract and panics.
        let _back = OnDrop(|| {
            let released = self.give_back(place, ticket.lane);
            self.end(released.ready(), (permit && ticket.counted).into());
            self.retire_each(place.bank, released.leaving);
        });
        if let Some(payload) = payload {
            self.backlog.restore(self.cells(place.bank), place.slot, payload);
        }
    }

    /// Calls `each` with the clients that have something pending, or a push in progress.
    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn each_unserved(&self, mut each: impl FnMut(ClientKey)) {
        // Clients that a fan-out has not reached yet are unserved too.
        let is_expanded = [Lane::Urgent, Lane::Normal].into_iter().all(|it| self.is_expanded(it));
        for (bank, word) in self.banks().iter().enumerate() {
            let now = word.load();
            let unserved = if is_expanded { now.busy() } else { now.live() };
            let unserved = crate::slot::slots(unserved);
            unserved.for_each(|slot| each(self.registry.key(Place { bank, slot })));
        }
    }

    /// What there is for the client of a lease.
    pub(crate) fn outlook(&self, ticket: &Ticket) -> Outlook {
        // Before the bank: what is visited by now has its marks.
        let Place { bank, slot } = ticket.place();
        let behind = self.behind_fan_out(ticket.seen);
        let now = self.banks()[bank].load();
        let is_in = |mask: usize| mask & 1 << slot != 0;
        if !is_in(now.in_progress()) {
            Outlook::Gone
        } else if behind == Some(Lane::Urgent) || is_in(now.waiting_in(Lane::Urgent)) {
            Outlook::Superseded(Lane::Urgent)
        } else if behind.is_some() || is_in(now.waiting()) {
            Outlook::Superseded(Lane::Normal)
        } else {
            Outlook::Current
        }
    }
}
