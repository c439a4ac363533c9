//! What is chosen when a queue is made.

/// The sizes and limits of a queue. Everything is allocated when the queue is made; nothing grows
/// later.
///
/// ```
/// use pushlane::{Config, PushQueue, backlog::Dirty};
///
/// let config = Config::new(10_000).topics(64).permits(32).urgent_ratio(4);
/// let queue = PushQueue::<Dirty>::new(config);
/// assert_eq!((queue.capacity(), queue.permits()), (10_000, 32));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) clients: usize,
    pub(crate) topics: usize,
    pub(crate) permits: usize,
    pub(crate) urgent_ratio: usize,
}

impl Config {
    /// Room for `clients` clients at once: at most 4,294,967,295, and at most 65,535 on a 32-bit
    /// target; a larger number is taken for that one. Static storage has its own capacity:
    /// `clients` can lower it, and a queue for more clients than fit does not compile.
    pub const fn new(clients: usize) -> Self {
        Config { clients, topics: 0, permits: 100, urgent_ratio: 4 }
    }

    /// For static storage: as many clients and topics as its type says, and the default limits.
    ///
    /// ```
    /// use pushlane::{Config, SLOTS, StaticQueue, backlog::Dirty};
    ///
    /// static QUEUE: StaticQueue<Dirty, 4> = StaticQueue::const_new(Config::for_static().permits(8));
    /// assert_eq!(QUEUE.capacity(), 4 * SLOTS);
    /// ```
    pub const fn for_static() -> Self {
        Config::new(usize::MAX)
    }

    /// How many topics there are to subscribe to; each takes one machine word for every
    /// [`SLOTS`](crate::SLOTS) clients. Static storage has its own number; another one here does
    /// not compile. Default: 0.
    ///
    /// A number that memory can't hold is not lowered: making the queue panics or aborts, as a
    /// `Vec` of that size would.
    #[must_use]
    pub const fn topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }

    /// How many pushes may be prepared at once; [`MAX_PERMITS`](crate::MAX_PERMITS) or more is no
    /// limit, and counts nothing. Can be changed at any time with
    /// [`set_permits`](crate::PushQueue::set_permits). Default: 100.
    #[must_use]
    pub const fn permits(mut self, permits: usize) -> Self {
        self.permits = permits;
        self
    }

    /// How many urgent leases there may be for one normal lease while both kinds of work wait. 0
    /// prefers normal work. Default: 4.
    #[must_use]
    pub const fn urgent_ratio(mut self, urgent_ratio: usize) -> Self {
        self.urgent_ratio = urgent_ratio;
        self
    }
}
