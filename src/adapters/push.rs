//! [`Push`]: what a handler is given.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use super::grant::{Clock, Grant};
use super::options::Options;
use super::waiting::Waiters;
use crate::lease::Lease;
use crate::queue::Serve;
use crate::registry::ClientKey;
use crate::slot::Lane;

/// A handle to a queue that threads and tasks can share: `Arc<AsyncQueue<_>>`, or `&'static` to one.
///
/// Implemented for whatever is one.
pub trait Handle:
    Deref<Target: Serve<Signal = Waiters, Payload: Send>> + Clone + Send + Sync + 'static
{
}

impl<Q> Handle for Q where
    Q: Deref<Target: Serve<Signal = Waiters, Payload: Send>> + Clone + Send + Sync + 'static
{
}

/// One push to one client, for a handler to carry out: a [`Lease`] with a deadline.
///
/// It ends by [`complete`](Push::complete), by [`requeue`](Push::requeue), or by being dropped, which is
/// a requeue: a handler that panics or returns early loses nothing. It may outlive the handler, to be
/// completed when the client has acknowledged, say; its deadline goes with it.
///
/// When the deadline passes first, the client is evicted, and whatever is done with the push later has no
/// effect on anybody. The client's place in the queue is free for another one only when the push has
/// been dropped.
#[must_use = "a push that is dropped goes back into the queue"]
pub struct Push<Q: Handle> {
    /// `None` only while the push ends.
    lease: Option<Lease<Q>>,
    grant: Arc<Grant<Q>>,
}

impl<Q: Handle> Push<Q> {
    /// The push, and what the adapter keeps of it.
    pub(super) fn begin(
        mut lease: Lease<Q>,
        options: &Options,
        clock: Clock,
    ) -> (Self, Arc<Grant<Q>>) {
        let grant = Grant::begin(&mut lease, options.limit, clock);
        (Push { lease: Some(lease), grant: Arc::clone(&grant) }, grant)
    }

    fn lease(&self) -> &Lease<Q> {
        match &self.lease {
            Some(lease) => lease,
            None => unreachable!("taken only when the push ends"),
        }
    }

    /// Who is pushed to.
    pub fn key(&self) -> ClientKey {
        self.lease().key()
    }

    /// What is to be pushed; see [`Lease::request`].
    pub fn request(&self) -> &<Q::Target as Serve>::Payload {
        self.lease().request()
    }

    /// The most urgent lane that the merged requests came through.
    pub fn lane(&self) -> Lane {
        self.lease().lane()
    }

    /// The queue's handle.
    pub fn queue(&self) -> &Q {
        self.lease().queue()
    }

    /// Whether newer work for the client is pending already: the handler may stop early and requeue.
    pub fn is_superseded(&self) -> bool {
        self.lease().is_superseded()
    }

    /// Gives the permit back before the push has ended, as a rule when the push is prepared and a slow
    /// send begins. Twice is once.
    pub fn release_permit(&mut self) {
        drop(self.grant.take_permit());
    }

    /// How long the push may still take; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.grant.remaining()
    }

    /// Whether the deadline has passed and the client has been evicted. A handler that blocks in steps
    /// should look between them, and return.
    pub fn is_expired(&self) -> bool {
        self.grant.is_expired()
    }

    /// Ends the push: the client has all that the request contained.
    pub fn complete(mut self) {
        self.end(Lease::complete);
    }

    /// Ends the push without success: the request is merged with what was published meanwhile, and the
    /// client is queued again, behind those that wait already. Dropping the push does the same.
    pub fn requeue(self) {
        drop(self);
    }

    fn end(&mut self, end: fn(Lease<Q>)) {
        if let Some(lease) = self.lease.take() {
            // First the permit: whoever is woken by the end of the lease finds it, and whoever has seen
            // the queue drained finds none held.
            drop(self.grant.end());
            end(lease);
        }
    }
}

impl<Q: Handle> Drop for Push<Q> {
    fn drop(&mut self) {
        self.end(Lease::requeue);
    }
}

impl<Q: Handle> fmt::Debug for Push<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("client", &self.key())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
