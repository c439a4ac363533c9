//! [`Lease`]: one push in progress.

use core::fmt;
use core::ops::Deref;

use crate::queue::{Outlook, Serve, Ticket};
use crate::registry::ClientKey;
use crate::slot::Lane;

/// Leave to push to one client: the client, its merged request, and a permit.
///
/// While it lives, the client has no other lease; what is published meanwhile merges and waits. It
/// ends exactly once: by [`complete`](Lease::complete), by [`requeue`](Lease::requeue), or by being
/// dropped, which is a requeue. So a handler that panics or is cancelled loses nothing.
///
/// `Q` is the handle to the queue: `&PushQueue` or `Arc<PushQueue>`.
///
/// (A leaked lease, by [`mem::forget`](core::mem::forget) say, keeps its client in progress until
/// the client is unregistered, and never gives back its place and permit.)
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, backlog::Bits};
///
/// let queue = PushQueue::<Bits<1>>::new(Config::new(10));
/// let client = queue.register()?;
/// queue.publish(client, Lane::Normal, [0b01])?;
/// drop(queue.try_lease()); // it goes back, and the next one contains it
/// queue.publish(client, Lane::Urgent, [0b10])?;
///
/// let mut lease = queue.try_lease().expect("ready");
/// assert_eq!((lease.key(), lease.lane(), lease.request()), (client, Lane::Urgent, &[0b11]));
/// lease.release_permit(); // prepared; the send may take its time
/// lease.complete();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a lease that is dropped goes back into the queue"]
pub struct Lease<Q: Deref<Target: Serve>> {
    queue: Q,
    ticket: Ticket,
    /// `None` only while the lease ends.
    payload: Option<<Q::Target as Serve>::Payload>,
    permit: bool,
    ended: bool,
}

impl<Q: Deref<Target: Serve>> Lease<Q> {
    /// Gives the handle back if there is nothing to lease, so that waiting needs no clone of it.
    #[inline]
    pub(crate) fn begin(queue: Q) -> Result<Self, Q> {
        match queue.as_queue().begin() {
            Some((ticket, payload)) => Ok(Self::from_parts(queue, ticket, payload)),
            None => Err(queue),
        }
    }

    /// A push that has begun, with its permit.
    #[inline]
    pub(crate) fn from_parts(
        queue: Q,
        ticket: Ticket,
        payload: <Q::Target as Serve>::Payload,
    ) -> Self {
        Lease { queue, ticket, payload: Some(payload), permit: true, ended: false }
    }

    /// A push whose beginning has failed: it has no request, and can only be given back.
    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn without_request(queue: Q, ticket: Ticket) -> Self {
        Lease { queue, ticket, payload: None, permit: true, ended: false }
    }

    /// Who is pushed to.
    #[inline]
    pub fn key(&self) -> ClientKey {
        self.ticket.client
    }

    /// What is to be pushed: everything that was published for the client and not yet completed,
    /// merged.
    #[inline]
    pub fn request(&self) -> &<Q::Target as Serve>::Payload {
        match &self.payload {
            Some(payload) => payload,
            None => unreachable!("taken only when the lease ends"),
        }
    }

    /// The most urgent lane that the merged requests came through.
    pub fn lane(&self) -> Lane {
        self.ticket.lane
    }

    /// The queue's handle.
    pub fn queue(&self) -> &Q {
        &self.queue
    }

    /// Whether newer work for the client is pending already. The handler may stop early: if it
    /// requeues, its request is merged with the newer one. Wait-free.
    pub fn is_superseded(&self) -> bool {
        matches!(self.queue.as_queue().outlook(&self.ticket), Outlook::Superseded(_))
    }

    /// What else there is for the client, if it is still there.
    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn outlook(&self) -> Outlook {
        self.queue.as_queue().outlook(&self.ticket)
    }

    /// Gives the permit back before the push has ended, as a rule when the push is prepared and a
    /// slow send begins: a slow client then costs nothing but its own place. Twice is once.
    /// Lock-free.
    pub fn release_permit(&mut self) {
        if core::mem::take(&mut self.permit) && self.ticket.counted {
            self.queue.as_queue().end(0, 1);
        }
    }

    /// Takes the permit out of the lease: it comes back when the [`Permit`] is dropped. `None` if
    /// it has been taken or released already. Wait-free.
    pub fn take_permit(&mut self) -> Option<Permit<Q>>
    where
        Q: Clone,
    {
        if !self.permit {
            return None;
        }
        // Before the permit is taken: if this panics, the lease still has it.
        let queue = self.queue.clone();
        self.permit = false;
        Some(Permit { queue, counted: self.ticket.counted })
    }

    /// Ends the push: the client has all that the request contained.
    ///
    /// If more was published meanwhile, the client is queued again, behind those that wait already.
    ///
    /// Lock-free; and the backlog's lock, if the client has left. If the request's destructor
    /// panics, the push has ended all the same.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn complete(mut self) {
        self.ended = true;
        let payload = self.payload.take();
        self.queue.as_queue().complete(&self.ticket, payload, self.permit);
    }

    /// Ends the push without success: the request is merged with what was published meanwhile, and
    /// the client is queued again, behind those that wait already. Dropping the lease does the
    /// same.
    ///
    /// Lock-free; and the backlog's lock, to put the request back. Runs no user code, unless the
    /// client has left: then the request is dropped.
    pub fn requeue(self) {
        drop(self);
    }
}

impl<Q: Deref<Target: Serve>> Drop for Lease<Q> {
    // Inlined, and with a copy of the ticket, so that a lease completed at once stays in registers.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn drop(&mut self) {
        if !self.ended {
            let ticket = self.ticket;
            self.queue.as_queue().requeue(&ticket, self.payload.take(), self.permit);
        }
    }
}

impl<Q: Deref<Target: Serve>> fmt::Debug for Lease<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("client", &self.ticket.client)
            .field("lane", &self.ticket.lane)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

/// A permit taken out of a lease. Dropping it gives it back, lock-free.
#[must_use = "a permit that is dropped has been given back"]
#[derive(Debug)]
pub struct Permit<Q: Deref<Target: Serve>> {
    queue: Q,
    counted: bool,
}

impl<Q: Deref<Target: Serve>> Drop for Permit<Q> {
    fn drop(&mut self) {
        if self.counted {
            self.queue.as_queue().end(0, 1);
        }
    }
}
