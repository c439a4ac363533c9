//! [`Push`]: what a handler is given.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;
use core::time::Duration;
use std::time::Instant;

use super::book::End;
use super::outcome::PushError;
use super::pushes::Pushes;
use super::waiting::Waiters;
use super::wake::until;
use crate::lease::Lease;
use crate::queue::{Outlook, Serve};
use crate::registry::ClientKey;
use crate::slot::Lane;

/// A handle to a queue that threads and tasks can share: `Arc<AsyncQueue<_>>`, or `&'static` to
/// one.
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

/// When the oldest of the publishes in a request was made, and how many they are.
pub(super) type Measures<Q> =
    fn(&<<Q as Deref>::Target as Serve>::Payload) -> (Option<Instant>, u64);

/// One push to one client, for a handler to carry out: a [`Lease`] with a deadline.
///
/// It ends when its handler returns: `Ok` completes it, `Err` gives it back. A handler that panics
/// or is stopped loses nothing. No other handler runs for the client meanwhile. To end a push later
/// than its handler, with the client's acknowledgement say, [`detach`](Push::detach) it.
///
/// When the deadline passes first, the client is evicted, and the push has no effect any more. The
/// client's place is free for another client once the push is dropped.
///
/// In a signature, an alias of the queue's handle keeps it short:
///
/// ```
/// use std::sync::Arc;
/// use pushlane::adapters::{self, AsyncQueue, Outcome};
/// use pushlane::backlog::Bits;
///
/// type Queue = Arc<AsyncQueue<Bits<1>>>;
/// type Push = adapters::Push<Queue>;
///
/// async fn handle(mut push: Push) -> Outcome {
///     let frame = format!("changed: {:b}", push.request()[0]);
///     push.release_permit();
///     println!("to {}: {frame}", push.key()); // a slow send
///     Ok(())
/// }
/// # let _ = handle;
/// ```
pub struct Push<Q: Handle> {
    /// `None` only while it is dropped.
    lease: Option<Lease<Q>>,
    attempt: u32,
    deadline: Option<Duration>,
    pushes: Arc<Pushes<Q>>,
}

impl<Q: Handle> Push<Q> {
    pub(super) fn new(
        lease: Lease<Q>,
        attempt: u32,
        deadline: Option<Duration>,
        pushes: Arc<Pushes<Q>>,
    ) -> Self {
        Push { lease: Some(lease), attempt, deadline, pushes }
    }

    fn lease(&self) -> &Lease<Q> {
        match &self.lease {
            Some(lease) => lease,
            None => unreachable!("taken only when it is dropped"),
        }
    }

    /// The client that is pushed to.
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

    /// Which attempt this is: 1, and one more for each push to the client that has failed since the
    /// last one that completed.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether newer work for the client is pending already: the handler may stop early, and give
    /// the push back with [`requeue_after`](Push::requeue_after).
    pub fn is_superseded(&self) -> bool {
        self.lease().is_superseded()
    }

    /// Waits until newer work for the client is pending, or the client has left: a slow send may be
    /// abandoned then. Cancel-safe.
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures_util::future::{Either, select};
    /// use pushlane::adapters::{Handle, Outcome, Push};
    /// # async fn send(_key: pushlane::ClientKey) -> Outcome { Ok(()) }
    ///
    /// async fn handle<Q: Handle>(push: Push<Q>) -> Outcome {
    ///     let sending = Box::pin(send(push.key()));
    ///     let sent = match select(sending, Box::pin(push.superseded())).await {
    ///         Either::Left((sent, _)) => Some(sent),
    ///         Either::Right(_) => None,
    ///     };
    ///     if sent.is_none() {
    ///         // Merged with what is newer, and pushed again.
    ///         push.requeue_after(Duration::ZERO);
    ///     }
    ///     sent.unwrap_or(Ok(()))
    /// }
    /// ```
    pub async fn superseded(&self) {
        let is_over = || self.lease().outlook() != Outlook::Current;
        until(self.queue().as_queue().signal().interruptions(), is_over).await;
    }

    /// Gives the permit back before the push has ended, as a rule when the push is prepared and a
    /// slow send begins. Twice is once.
    pub fn release_permit(&mut self) {
        self.pushes.release_permit(self.key());
    }

    /// How long the push may still take; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_sub(self.pushes.now()))
    }

    /// Whether the deadline has passed and the client has been evicted. A handler that blocks in
    /// steps should look between them, and return.
    pub fn is_expired(&self) -> bool {
        self.pushes.is_expired(self.key())
    }

    /// Gives the push back, to be tried again after `delay` at the earliest. Not a failure; what
    /// the handler returns afterwards counts for nothing.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, Dispatcher};
    /// use pushlane::{Config, Lane, backlog::Dirty};
    ///
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
    /// queue.register_with(Lane::Normal, ())?;
    /// let asked_to_wait = std::sync::Once::new();
    /// let pool = Dispatcher::builder(queue).start_pool(1, move |push| {
    ///     assert_eq!(push.attempt(), 1);
    ///     asked_to_wait.call_once(|| push.requeue_after(Duration::from_millis(1)));
    ///     Ok(())
    /// })?;
    /// assert!(pool.drain(Duration::MAX).is_ok());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn requeue_after(self, delay: Duration) {
        self.end(End::Requeue(delay));
    }

    /// Takes the push out of its handler, to be ended later and elsewhere. What the handler returns
    /// then counts for nothing; the deadline stays, for as long as the dispatcher serves. Until it
    /// ends, and its handler has returned or has reached the deadline, no other push to the client
    /// begins.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use std::sync::{Arc, mpsc};
    /// use std::time::Duration;
    /// use pushlane::adapters::{AsyncQueue, Dispatcher};
    /// use pushlane::{Config, Lane, backlog::Dirty};
    ///
    /// let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1)));
    /// queue.register_with(Lane::Normal, ())?;
    /// let (sent, acknowledgements) = mpsc::channel();
    /// let pool = Dispatcher::builder(queue).start_pool(1, move |push| {
    ///     // ... send ...
    ///     sent.send(push.detach())?;
    ///     Ok(())
    /// })?;
    /// acknowledgements.recv()?.complete();
    /// assert!(pool.drain(Duration::MAX).is_ok());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) -> Detached<Q> {
        self.pushes.detach(self.key());
        Detached(self)
    }

    fn end(mut self, end: End) {
        if let Some(lease) = self.lease.take() {
            self.pushes.give_back(lease, Some(end));
        }
    }
}

impl<Q: Handle> Drop for Push<Q> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.pushes.give_back(lease, None);
        }
    }
}

impl<Q: Handle> fmt::Debug for Push<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("client", &self.key())
            .field("attempt", &self.attempt)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// A push that outlives its handler; see [`Push::detach`]. Dropping it is a failure.
#[must_use = "a detached push that is dropped has failed"]
pub struct Detached<Q: Handle>(Push<Q>);

impl<Q: Handle> Detached<Q> {
    /// Ends the push: the client has all that the request contained.
    pub fn complete(self) {
        self.0.end(End::Complete);
    }

    /// Ends the push without success: it is tried again, after a [`Backoff`](super::Backoff).
    pub fn fail(self, error: impl Into<PushError>) {
        self.0.end(End::Fail(error.into()));
    }

    /// As [`Push::requeue_after`].
    pub fn requeue_after(self, delay: Duration) {
        self.0.end(End::Requeue(delay));
    }
}

impl<Q: Handle> Deref for Detached<Q> {
    type Target = Push<Q>;

    fn deref(&self) -> &Push<Q> {
        &self.0
    }
}

impl<Q: Handle> fmt::Debug for Detached<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
