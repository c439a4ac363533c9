//! Reports pushes to `metrics` and to `tracing`, each behind its feature.
//!
//! Without the features [`Observer`] and [`PushSpan`] have no size and their methods are empty.

#[cfg(feature = "metrics")]
mod meters;
mod span;

use core::time::Duration;

use super::book::Begun;
use super::builder::Panic;
use super::outcome::{EvictReason, PushError};
use super::push::Handle;
use crate::registry::ClientKey;

pub(super) use span::PushSpan;

/// How a push has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Completed,
    Failed,
    Requeued,
    Evicted,
}

impl Ended {
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    fn name(self) -> &'static str {
        match self {
            Ended::Completed => "completed",
            Ended::Failed => "failed",
            Ended::Requeued => "requeued",
            Ended::Evicted => "evicted",
        }
    }
}

/// Metrics, if the builder asked for them. The recorder is foreign code: its callers hold no lock.
#[derive(Default)]
pub(super) struct Observer {
    #[cfg(feature = "metrics")]
    meters: Option<meters::Meters>,
}

/// What the dispatcher itself knows at the moment.
#[derive(Default)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(super) struct Moment {
    pub(super) backing_off: usize,
    /// When the longest push in progress began.
    pub(super) longest: Option<Duration>,
    /// The clients to which a push is in progress.
    pub(super) in_progress: alloc::vec::Vec<ClientKey>,
}

#[cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(unused_variables))]
#[cfg_attr(not(feature = "metrics"), allow(clippy::unused_self))]
impl Observer {
    #[cfg(feature = "metrics")]
    pub(super) fn new(queue: &'static str) -> Self {
        Observer { meters: Some(meters::Meters::new(queue)) }
    }

    pub(super) fn begun(&self, client: ClientKey, begun: &Begun, queued: Option<Duration>) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.begun(client, begun, queued);
        }
    }

    pub(super) fn ended(&self, begun: &Begun, how: Ended, now: Duration) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.ended(begun, how, now);
        }
        begun.span.ended(how);
    }

    pub(super) fn failed(&self, client: ClientKey, attempt: u32, error: &PushError) {
        #[cfg(feature = "tracing")]
        tracing::debug!(%client, attempt, %error, "push failed");
    }

    pub(super) fn panicked(&self, client: ClientKey, panic: &Panic) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.panicked();
        }
        #[cfg(feature = "tracing")]
        tracing::error!(%client, panic = super::pushes::message(panic), "push panicked");
    }

    pub(super) fn evicted(&self, client: ClientKey, reason: &EvictReason) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.evicted(reason);
        }
        #[cfg(feature = "tracing")]
        tracing::warn!(%client, %reason, "client evicted");
    }

    /// When the next look at the queue is due; `None` without metrics.
    pub(super) fn next_look(&self) -> Option<Duration> {
        #[cfg(feature = "metrics")]
        return self.meters.as_ref().map(meters::Meters::next_look);
        #[cfg(not(feature = "metrics"))]
        None
    }

    /// Looks at the queue.
    pub(super) fn look<Q: Handle>(&self, queue: &Q, now: Duration, moment: &Moment) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.look(&**queue, now, moment);
        }
    }

    /// After a push has ended, the queue may have converged.
    pub(super) fn progressed<Q: Handle>(&self, queue: &Q, now: Duration) {
        #[cfg(feature = "metrics")]
        if let Some(meters) = &self.meters {
            meters.progressed(&**queue, now);
        }
    }

    /// Whether the clock is read when a push ends.
    pub(super) fn is_metered(&self) -> bool {
        #[cfg(feature = "metrics")]
        return self.meters.is_some();
        #[cfg(not(feature = "metrics"))]
        false
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
fn lane_name(lane: crate::slot::Lane) -> &'static str {
    match lane {
        crate::slot::Lane::Urgent => "urgent",
        crate::slot::Lane::Normal => "normal",
    }
}
