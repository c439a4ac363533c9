//! What is chosen when a queue is made.

/// The sizes and limits of a queue. Everything is allocated when the queue is made; nothing grows later.
///
/// ```
/// use pushlane::{Config, PushQueue, backlog::Dirty};
///
/// let config = Config::new(10_000).topics(64).permits(32).urgent_ratio(4);
/// let queue = PushQueue::<Dirty>::new(config);
/// assert_eq!((queue.capacity(), queue.limit()), (10_000, 32));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) clients: usize,
    pub(crate) topics: usize,
    pub(crate) permits: usize,
    pub(crate) urgent_ratio: usize,
    pub(crate) on_demand_from: usize,
}

impl Config {
    /// Room for `clients` clients at once: at most 4,294,967,295, and at most 65,535 on a 32-bit target;
    /// a larger number is taken for that one. Static storage has its own capacity, and `clients` can
    /// only lower it.
    pub const fn new(clients: usize) -> Self {
        Config { clients, topics: 0, permits: 100, urgent_ratio: 4, on_demand_from: 256 }
    }

    /// How many topics there are to subscribe to; each takes one machine word for every
    /// [`SLOTS`](crate::SLOTS) clients. Static storage has its own number, and ignores this one.
    /// Default: 0.
    #[must_use]
    pub const fn topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }

    /// How many pushes may be prepared at once; [`MAX_PERMITS`](crate::MAX_PERMITS) or more is no limit, and
    /// counts nothing. Can be changed at any time with [`set_limit`](crate::PushQueue::set_limit).
    /// Default: 100.
    #[must_use]
    pub const fn permits(mut self, permits: usize) -> Self {
        self.permits = permits;
        self
    }

    /// How many urgent leases there may be for one normal lease while both kinds of work wait. 0 prefers
    /// normal work. Default: 4.
    #[must_use]
    pub const fn urgent_ratio(mut self, urgent_ratio: usize) -> Self {
        self.urgent_ratio = urgent_ratio;
        self
    }

    /// From how many members on a publish to a topic is made *on demand*, as every publish to everyone: it
    /// marks no client, but says that it is to be done, and whoever serves makes the marks. Then it costs the
    /// same for a thousand members and for a million. Below that number the publisher marks the members
    /// itself. 0 is always, [`usize::MAX`] is never. Default: 256.
    ///
    /// It holds for publishes that carry no payload of their own ([`Dirty`](crate::backlog::Dirty),
    /// [`Journal`](crate::backlog::Journal)) to a [`Scope`](crate::Scope) of up to four topics, each with as many
    /// members, without a filter. Any other publish to topics marks whom it concerns.
    ///
    /// A client that subscribes while such a publish has not been made to all members may be pushed to on
    /// account of it, although it came later.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(100).topics(1).on_demand_from(10));
    /// for _ in 0..50 {
    ///     queue.subscribe(queue.register()?, Topic(0))?;
    /// }
    /// let version = queue.publish(Target::Topics(Scope::any(&[Topic(0)])), Lane::Normal, ())?;
    /// assert_eq!(queue.waiting(), 0, "nobody is marked yet");
    /// assert!(!queue.is_converged(version), "and all are owed a push");
    /// while let Some(lease) = queue.try_lease() {
    ///     lease.complete();
    /// }
    /// assert!(queue.is_converged(version));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn on_demand_from(mut self, members: usize) -> Self {
        self.on_demand_from = members;
        self
    }
}
