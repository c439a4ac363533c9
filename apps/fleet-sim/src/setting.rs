//! What the fleet is like. Times are in microseconds.

use crate::random::{below, draw, log_normal};

/// One second.
pub(crate) const SECOND: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) replicas: usize,
    /// Of each replica, at first.
    pub(crate) clients: usize,
    /// Streams that a replica admits.
    pub(crate) limit: usize,
    /// Cores of a replica, and CPU time of one response, its acknowledgement included.
    pub(crate) cores: usize,
    pub(crate) response: u64,
    /// New streams a second and replica, at once before the rate counts, and how long one waits.
    pub(crate) admissions: u64,
    pub(crate) burst: u64,
    pub(crate) wait: u64,
    /// Streams a second that a replica with more than its share ends, at least.
    pub(crate) shed: u32,
    /// Of so many replicas the balancer chooses the one with the fewest clients.
    pub(crate) choices: u64,
    /// How old a connection grows, a tenth more or less.
    pub(crate) age: u64,
    /// How long a replica that is asked to end takes to end its streams, and is away after that.
    pub(crate) drain: u64,
    pub(crate) away: u64,
    pub(crate) threads: usize,
}

impl Setting {
    pub(crate) fn all_clients(&self) -> usize {
        self.replicas * self.clients
    }

    /// From a response's departure to its acknowledgement's arrival: each client's own.
    pub(crate) fn round_trip(&self, client: u32) -> u64 {
        log_normal(draw(1, client.into(), 0), 20_000.0, 0.8) as u64
    }

    /// From a write to etcd until a replica publishes it: 1 to 6 ms.
    pub(crate) fn watch_delay(&self, replica: usize, change: usize) -> u64 {
        1_000 + below(draw(2, replica as u64, change as u64), 5_000)
    }
}
