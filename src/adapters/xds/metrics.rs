//! Counters, and what they amount to at one moment.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters are read one by one, for people: nothing is ordered by them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: Counter,
    pub(super) closed: Counter,
    pub(super) refused: Counter,
    pub(super) evicted: Counter,
    pub(super) requests: Counter,
    pub(super) stale: Counter,
    pub(super) malformed: Counter,
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

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

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

/// What a server has done so far, and how busy it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Streams that are open.
    pub streams: u64,
    /// Streams that were opened so far.
    pub opened: u64,
    /// Streams that were refused: too many, or too fast.
    pub refused: u64,
    /// Streams that were thrown out because they missed a deadline.
    pub evicted: u64,
    /// Requests read.
    pub requests: u64,
    /// Requests ignored because they answered a response that was not the last one.
    pub stale: u64,
    /// Streams closed because of a request that could not be accepted.
    pub malformed: u64,
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
    /// Clients of the queue (a stream's subscriptions to one type each) that wait for a push to begin.
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
