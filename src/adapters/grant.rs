//! [`Grant`]: what a push and its deadline share.
//!
//! The handler owns the lease, wherever it is stuck. What has to be taken from it without its help is
//! here: the permit, and the right to go on being a client.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use event_listener::{Event, IntoNotification};

use super::push::Handle;
use crate::lease::{Lease, Permit};
use crate::queue::Serve;
use crate::registry::ClientKey;

/// Which clock a deadline is read from: an executor may have its own.
pub(super) type Clock = fn() -> Instant;

/// One push in progress, as seen from outside of its handler.
pub(super) struct Grant<Q: Handle> {
    queue: Q,
    client: ClientKey,
    deadline: Option<Instant>,
    clock: Clock,
    state: Mutex<State<Q>>,
    over: Event,
}

struct State<Q: Handle> {
    push: Phase,
    permit: Option<Permit<Q>>,
    /// Whether the handler's thread has been written off with it.
    #[cfg(feature = "blocking")]
    handler: Handler,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Ended,
    Expired,
}

#[cfg(feature = "blocking")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handler {
    Running,
    Returned,
    Abandoned,
}

impl<Q: Handle> Grant<Q> {
    /// The grant is now. A limit that is beyond the clock's range is none.
    pub(super) fn begin(lease: &mut Lease<Q>, limit: Option<Duration>, clock: Clock) -> Arc<Self> {
        let deadline = limit.and_then(|limit| clock().checked_add(limit));
        let state = State {
            push: Phase::Running,
            permit: lease.take_permit(),
            #[cfg(feature = "blocking")]
            handler: Handler::Running,
        };
        Arc::new(Grant {
            queue: lease.queue().clone(),
            client: lease.key(),
            deadline,
            clock,
            state: Mutex::new(state),
            over: Event::new(),
        })
    }

    pub(super) fn client(&self) -> ClientKey {
        self.client
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since((self.clock)()))
    }

    pub(super) fn is_expired(&self) -> bool {
        self.state().push == Phase::Expired
    }

    /// Takes the permit. The caller drops it: giving it back wakes others, and must not be done inside.
    pub(super) fn take_permit(&self) -> Option<Permit<Q>> {
        self.state().permit.take()
    }

    /// The push ends, and its deadline with it. The permit, if it had not come back before, is to be
    /// dropped, and the lease ended.
    pub(super) fn end(&self) -> Option<Permit<Q>> {
        let mut state = self.state();
        if state.push == Phase::Running {
            state.push = Phase::Ended;
        }
        let permit = state.permit.take();
        drop(state);
        self.over.notify(usize::MAX.additional());
        permit
    }

    /// The deadline has passed: the client is evicted, unless the push has ended. True if this evicted it,
    /// false also if it had left by itself.
    pub(super) fn expire(&self) -> bool {
        let mut state = self.state();
        if state.push != Phase::Running {
            return false;
        }
        state.push = Phase::Expired;
        // While `end` is kept out: the lease that it ends must find the client gone, or the client could
        // be leased to somebody else first, and that push be evicted instead.
        let evicted = self.queue.unregister(self.client).is_ok();
        let permit = state.permit.take();
        drop(state);
        drop(permit);
        evicted
    }

    /// Waits until the push has ended.
    #[cfg(feature = "tokio")]
    pub(super) async fn over(&self) {
        loop {
            let over = self.over.listen();
            if self.state().push != Phase::Running {
                return;
            }
            over.await;
        }
    }

    /// Writes the handler's thread off, unless it has returned. True if it is stuck.
    #[cfg(feature = "blocking")]
    pub(super) fn abandon(&self) -> bool {
        let mut state = self.state();
        let stuck = state.handler == Handler::Running;
        if stuck {
            state.handler = Handler::Abandoned;
        }
        stuck
    }

    /// The handler has returned. False if its thread had been written off.
    #[cfg(feature = "blocking")]
    pub(super) fn returned(&self) -> bool {
        let mut state = self.state();
        let expected = state.handler == Handler::Running;
        state.handler = Handler::Returned;
        expected
    }

    /// Nothing in here panics half-way, so a poisoned state is a good one.
    fn state(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
