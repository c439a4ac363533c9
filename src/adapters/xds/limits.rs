//! [`Limits`]: what one client may cost.

use core::time::Duration;

/// What the server and one client may cost, and how long things may take.
///
/// A server takes 12 MB with the defaults before its first client comes, nearly all of it for
/// places of the queue: `streams` × `types`, with `topics` bits each. With a tenth of the streams
/// it takes 1.2 MB (`cargo test --features xds --test xds_memory -- --nocapture`).
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::xds::Limits;
///
/// let mut limits = Limits::default();
/// limits.streams = 20_000;
/// limits.ack_deadline = Duration::from_secs(30);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Streams at once. One more is refused with `RESOURCE_EXHAUSTED`. Default: 10,000.
    pub streams: usize,
    /// Types a stream. Default: 8.
    pub types: usize,
    /// Names that a stream subscribes to, over all types. Default: 10,000.
    pub subscriptions: usize,
    /// Bytes of a resource name or type URL in a request. Default: 1,024.
    pub name_bytes: usize,
    /// Bytes of a request. Default: 4 MiB.
    pub request_bytes: usize,
    /// Bytes of a response: what doesn't fit follows in another one when it is answered. A set that
    /// can't be split is sent all the same, counted, and told to the
    /// [observer](super::Builder::observe). Default: 16 KiB less than 4 MiB, which is what gRPC
    /// clients receive unless they are told otherwise.
    pub response_bytes: usize,
    /// New streams a second, in the long run. 0: as many as come. Default: 1,000.
    pub admission_rate: u32,
    /// New streams at once, before the rate counts. Default: 1,000.
    pub admission_burst: u32,
    /// How long a new stream waits to be admitted before it is refused. Default: 1 s.
    pub admission_wait: Duration,
    /// How long after a stream began its first request may come. Default: 30 s.
    pub first_request: Duration,
    /// How long a response may wait for the client to read it. Past it, the stream is evicted.
    /// Default: 5 s.
    pub send_deadline: Duration,
    /// How long after it was sent a response may stay without ACK or NACK. Past it, the stream is
    /// evicted. It must be longer than the 15 s after which Envoy gives up to wait for endpoints.
    /// Default: 60 s.
    pub ack_deadline: Duration,
    /// How long one type waits for another so that the order is kept, and how long a cluster or a
    /// listener that a client has asked for by name stays with it when it is gone, unless the
    /// client gives it up. Default: 2 s.
    pub order_patience: Duration,
    /// How many topics views are hashed into, and the types of a view that clients subscribe to as
    /// a whole. Each takes one machine word for every 16 places of the queue; more of them mean
    /// fewer needless looks where there are many views. Default: 128.
    pub topics: u32,
    /// How many responses are prepared at once. Default: 100.
    pub permits: usize,
    /// How many rejections and departures are remembered, for
    /// [`wait_acked`](super::Ads::wait_acked) to tell of. Default: 4,096 each.
    pub history: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            streams: 10_000,
            types: 8,
            subscriptions: 10_000,
            name_bytes: 1_024,
            request_bytes: 4 << 20,
            response_bytes: (4 << 20) - (16 << 10),
            admission_rate: 1_000,
            admission_burst: 1_000,
            admission_wait: Duration::from_secs(1),
            first_request: Duration::from_secs(30),
            send_deadline: Duration::from_secs(5),
            ack_deadline: Duration::from_secs(60),
            order_patience: Duration::from_secs(2),
            topics: 128,
            permits: 100,
            history: 4_096,
        }
    }
}
