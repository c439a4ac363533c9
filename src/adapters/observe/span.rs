//! [`PushSpan`]: the span of a push, from its beginning to its end.

use super::Ended;
use crate::registry::ClientKey;
use crate::slot::Lane;

#[derive(Clone)]
pub(in crate::adapters) struct PushSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables, clippy::unused_self))]
impl PushSpan {
    pub(in crate::adapters) fn new(client: ClientKey, lane: Lane, attempt: u32) -> Self {
        PushSpan {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(
                "push",
                %client,
                lane = super::lane_name(lane),
                attempt,
                outcome = tracing::field::Empty,
            ),
        }
    }

    /// Before the push has one.
    pub(in crate::adapters) fn none() -> Self {
        PushSpan {
            #[cfg(feature = "tracing")]
            span: tracing::Span::none(),
        }
    }

    /// Runs a handler, or a part of it, inside of the span.
    pub(in crate::adapters) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(work);
        #[cfg(not(feature = "tracing"))]
        work()
    }

    pub(super) fn ended(&self, how: Ended) {
        #[cfg(feature = "tracing")]
        self.span.record("outcome", how.name());
    }
}
