//! Counters, and what they amount to at one moment.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters are read one by one, for people: nothing is ordered by them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: Counter,
    pub(super) closed: Counter,
    pub(super) refusals: Refusals<Counter>,
    pub(super) ended: Endings<Counter>,
    pub(super) requests: Counter,
    pub(super) stale: Counter,
    pub(super) connections: Gone<Counter>,
    pub(super) published: Counter,
    pub(super) pushes: Counter,
    pub(super) resources: Counter,
    pub(super) oversized: Counter,
    pub(super) nothing: Counter,
    pub(super) deferred: Counter,
    pub(super) acks: Counter,
    pub(super) nacks: Counter,
    pub(super) ack_micros: Counter,
}

/// Counts.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! by_reason {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<N = u64> {
            $($(#[$field_doc])* pub $field: N,)+
        }

        impl $name {
            /// Each reason, by name, and how many there were.
            pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),+].into_iter()
            }

            /// For any reason.
            pub fn total(&self) -> u64 {
                self.reasons().map(|(_, count)| count).sum()
            }
        }

        impl $name<Counter> {
            pub(super) fn read(&self) -> $name {
                $name { $($field: self.$field.get()),+ }
            }
        }
    };
}

by_reason! {
    /// Streams that were refused, by reason.
    Refusals {
        /// As many streams were open as there may be.
        full,
        /// They came too fast.
        rate,
        /// The server was being drained.
        draining,
    }
}

by_reason! {
    /// Streams that have ended, by reason.
    Endings {
        /// The client has closed it, or its connection is gone.
        left,
        /// Its connection has reached its age, or is closed for another reason of the server.
        closed,
        /// The server has ended.
        stopped,
        /// By [`Ads::disconnect`](super::Ads::disconnect).
        disconnected,
        /// The view function has turned the client away.
        denied,
        /// A request that can't be read or makes no sense.
        malformed,
        /// A request that was more than the [`Limits`](super::Limits) allow.
        limited,
        /// No first request before its deadline.
        silent,
        /// A response was not read before its deadline.
        unread,
        /// A response was not answered before its deadline.
        unanswered,
    }
}

by_reason! {
    /// Connections that the server has not taken or has given up, by reason.
    Gone {
        /// As many were busy as there may be, in all or of the peer.
        refused,
        /// It was idle, and another one needed its place.
        replaced,
        /// It has not begun to speak HTTP/2 before the deadline.
        silent,
        /// It has opened no stream before the deadline.
        unused,
    }
}

impl Endings {
    /// Streams that were thrown out because they missed a deadline.
    pub fn evicted(&self) -> u64 {
        self.silent + self.unread + self.unanswered
    }
}

/// What a server has done so far, and how busy it is: [`Ads::metrics`](super::Ads::metrics) reads
/// it.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Resource, TypeUrl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder().start();
/// ads.set("default", [Resource::hashed(TypeUrl::LISTENER, "web", b"\x0a\x03web".to_vec())])?;
/// let metrics = ads.metrics();
/// assert_eq!((metrics.published, metrics.streams, metrics.nacks), (1, 0, 0));
/// assert_eq!(metrics.ended.evicted(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Streams that are open.
    pub streams: u64,
    /// Streams that were opened so far.
    pub opened: u64,
    /// Streams that were refused.
    pub refused: Refusals,
    /// Streams that have ended.
    pub ended: Endings,
    /// Requests read.
    pub requests: u64,
    /// Requests ignored because they answered a response that was not the last one.
    pub stale: u64,
    /// Connections that the server has not taken or has given up.
    pub connections: Gone,
    /// Changes published.
    pub published: u64,
    /// Responses sent.
    pub pushes: u64,
    /// Resources in those responses.
    pub resources: u64,
    /// Responses sent although they were larger than they should be: they couldn't be split.
    pub oversized: u64,
    /// Leases that found nothing to send.
    pub nothing: u64,
    /// Leases that waited for another type of their stream.
    pub deferred: u64,
    /// Responses accepted.
    pub acks: u64,
    /// Responses rejected.
    pub nacks: u64,
    /// Microseconds from sending a response to its answer, summed over all answers.
    pub ack_micros: u64,
    /// Clients of the queue (a stream's subscriptions to one type each) that wait for a push to
    /// begin.
    pub queue_depth: u64,
    /// Clients of the queue.
    pub queue_clients: u64,
    /// How many responses may be prepared at once.
    pub permits: u64,
    /// How many are being prepared.
    pub permits_held: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_counted_at_once_is_all_counted() {
        let counter = Counter::default();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    (0..500_000).for_each(|_| counter.add(2));
                });
            }
        });
        assert_eq!(counter.get(), 4_000_000);
    }
}
