//! How many operations of which kind.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A call of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    PublishOne,
    PublishTopics,
    PublishEveryone,
    PublishStale,
    Lease,
    LeaseNone,
    Complete,
    Requeue,
    Drop,
    Panic,
    ReleasePermit,
    IsSuperseded,
    Register,
    RegisterFull,
    Unregister,
    Subscribe,
    Unsubscribe,
    SetLimit,
    IsConverged,
    Close,
}

const NAMES: [&str; 20] = [
    "publish to one",
    "publish to topics",
    "publish to everyone",
    "publish, refused as stale",
    "lease",
    "lease, nothing there",
    "complete",
    "requeue",
    "drop a lease",
    "panic with a lease",
    "release a permit",
    "is_superseded",
    "register",
    "register, refused as full",
    "unregister",
    "subscribe",
    "unsubscribe",
    "set_permits",
    "is_converged",
    "close, is_drained",
];

#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; NAMES.len()]);

impl Tally {
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in NAMES.iter().zip(&self.0) {
            writeln!(f, "{:>16}  {name}", count.load(Relaxed))?;
        }
        Ok(())
    }
}

/// One thread's share, which it adds to the whole now and then.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    whole: &'a Tally,
    counts: [u64; NAMES.len()],
}

impl<'a> Share<'a> {
    pub(crate) fn of(whole: &'a Tally) -> Self {
        Share { whole, counts: [0; NAMES.len()] }
    }

    pub(crate) fn count(&mut self, op: Op) {
        self.counts[op as usize] += 1;
    }

    pub(crate) fn hand_in(&mut self) {
        for (whole, count) in self.whole.0.iter().zip(&mut self.counts) {
            whole.fetch_add(std::mem::take(count), Relaxed);
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.hand_in();
    }
}
