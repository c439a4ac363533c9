//! What the queue is doing at the moment.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::signal::Signal;
use crate::slot::Lane;
use crate::storage::Storage;

/// What a queue was doing when [`PushQueue::stats`] looked: for a status page, or a debounce that
/// adapts.
///
/// The parts are read one after the other, so that they may differ by what happened meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Clients that are registered.
    pub clients: usize,
    /// How many can be held at a time.
    pub capacity: usize,
    /// Clients that wait in the urgent lane for a push that has not begun.
    pub urgent: usize,
    /// Clients that wait in the normal lane, and not in the urgent one.
    pub normal: usize,
    /// Clients to which a push is in progress, also after its permit was released: leased, and not
    /// completed or requeued yet. If something was published to them since, they wait as well.
    pub in_progress: usize,
    /// Clients that wait or to which a push is in progress, each once: what
    /// [`Stretch`](crate::debounce::Stretch) goes by.
    pub busy: usize,
    /// Permits that are held: pushes that are being prepared.
    pub permits_held: usize,
    /// How many can be held at a time.
    pub permits: usize,
    /// Whether the queue has been closed.
    pub closed: bool,
}

impl Stats {
    /// Clients that wait for a push, in either lane.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// queue.publish(Target::One(queue.register()?), Lane::Normal, ())?;
    /// assert_eq!(queue.stats().waiting(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.urgent + self.normal
    }
}

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// What the queue is doing now. Wait-free; one load a bank, and nothing is counted for it
    /// elsewhere.
    ///
    /// A publish to everyone that records nothing for each client counts as workers mark its
    /// clients, not at once.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Bits};
    ///
    /// let queue = PushQueue::<Bits<1>>::new(Config::new(100).permits(8));
    /// let (slow, other) = (queue.register()?, queue.register()?);
    /// queue.publish(Target::One(slow), Lane::Urgent, [1])?;
    /// let mut lease = queue.try_lease().expect("urgent");
    /// lease.release_permit(); // a slow send
    /// queue.publish(Target::One(other), Lane::Normal, [1])?;
    ///
    /// let stats = queue.stats();
    /// assert_eq!((stats.in_progress, stats.permits_held), (1, 0));
    /// assert_eq!((stats.clients, stats.urgent, stats.normal), (2, 0, 1));
    /// # lease.complete();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            clients: self.clients(),
            capacity: self.capacity(),
            urgent: 0,
            normal: 0,
            in_progress: 0,
            busy: 0,
            permits_held: self.permits_held(),
            permits: self.permits(),
            closed: self.is_closed(),
        };
        let count = |mask: usize| mask.count_ones() as usize;
        for bank in self.banks().iter() {
            let seen = bank.load();
            let urgent = seen.waiting_in(Lane::Urgent);
            stats.urgent += count(urgent);
            stats.normal += count(seen.waiting_in(Lane::Normal) & !urgent);
            stats.in_progress += count(seen.in_progress());
            stats.busy += count(seen.busy());
        }
        stats
    }
}
