//! [`Batch`]: several pushes in progress, begun and ended together.

use core::fmt;
use core::ops::Deref;

use crate::lease::Lease;
use crate::queue::{Entries, Serve};
use crate::registry::ClientKey;
use crate::unwind::OnDrop;

/// Leave to push to several clients of one bank, by
/// [`try_lease_batch`](crate::PushQueue::try_lease_batch): never empty.
///
/// For handlers that serve a client in so short a time that the begin and the end of a lease count.
/// Each client has a permit. A batch ends as a lease does, for all its clients: by
/// [`complete`](Batch::complete), by [`requeue`](Batch::requeue), or by being dropped, which is a
/// requeue. Where they end one by one, take it apart: [`into_leases`](Batch::into_leases).
#[must_use = "a batch that is dropped goes back into the queue"]
pub struct Batch<Q: Deref<Target: Serve>> {
    queue: Q,
    entries: Entries<<Q::Target as Serve>::Payload>,
}

impl<Q: Deref<Target: Serve>> Batch<Q> {
    pub(crate) fn begin(queue: Q, most: usize) -> Option<Self> {
        // Made first, so that what has begun goes back if taking the next payload panics.
        let mut batch = Batch { queue, entries: [const { None }; crate::SLOTS] };
        batch.queue.as_queue().begin_many(most, &mut batch.entries);
        (!batch.is_empty()).then_some(batch)
    }

    /// How many clients are pushed to.
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// Whether the batch has no client. Always `false` for a batch that you hold.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who is pushed to, and what: everything that was published for the client and not yet
    /// completed, merged.
    pub fn iter(&self) -> impl Iterator<Item = (ClientKey, &<Q::Target as Serve>::Payload)> {
        self.entries.iter().flatten().map(|(ticket, payload)| (ticket.client, payload))
    }

    /// The queue's handle.
    pub fn queue(&self) -> &Q {
        &self.queue
    }

    /// Ends the pushes: the clients have all that the requests contained. Progress is that of
    /// [`Lease::complete`]. If destructors of requests panic, all pushes have ended all the same.
    pub fn complete(mut self) {
        self.queue.as_queue().complete_many(&mut self.entries);
    }

    /// Ends the pushes without success: each request is merged with what was published meanwhile,
    /// and the clients are queued again. Dropping the batch does the same. Progress is that of
    /// [`Lease::requeue`].
    pub fn requeue(self) {
        drop(self);
    }

    /// One lease for each client, for pushes that end one by one.
    pub fn into_leases(mut self) -> impl Iterator<Item = Lease<Q>>
    where
        Q: Clone,
    {
        let mut slot = 0;
        // The batch is dropped with the iterator: what was not asked for goes back.
        core::iter::from_fn(move || {
            while self.entries.get(slot)?.is_none() {
                slot += 1;
            }
            // Before the entry is taken: if this panics, the push goes back with the batch.
            let queue = self.queue.clone();
            let (ticket, payload) = self.entries[slot].take()?;
            Some(Lease::from_parts(queue, ticket, payload))
        })
    }
}

impl<Q: Deref<Target: Serve>> Drop for Batch<Q> {
    fn drop(&mut self) {
        give_back(&*self.queue, &mut self.entries);
    }
}

/// Pushes go back into the queue, the others also if a destructor panics for one of them.
fn give_back<Q: Serve + ?Sized>(queue: &Q, entries: &mut Entries<Q::Payload>) {
    if let Some((ticket, payload)) = entries.iter_mut().find_map(Option::take) {
        let _others = OnDrop(|| give_back(queue, entries));
        queue.as_queue().requeue(&ticket, Some(payload), true);
    }
}

impl<Q: Deref<Target: Serve>> fmt::Debug for Batch<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.entries.iter().flatten().map(|(ticket, _)| ticket.client))
            .finish()
    }
}
