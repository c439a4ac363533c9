//! No payload: the client is out of date, and its handler finds out in what.

use super::Backlog;

/// A level-triggered backlog: a publish says that something changed, the lease holder reads what is
/// true now. Lock-free, and no memory a client.
///
/// Nothing needs to be merged or taken, because the mark itself is the message: all that a
/// publisher wrote before [`publish`](crate::PushQueue::publish) is visible to the lease that
/// follows.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(10));
/// let client = queue.register()?;
/// queue.publish(Target::One(client), Lane::Normal, ())?;
/// queue.publish(Target::Everyone, Lane::Normal, ())?;
/// let lease = queue.try_lease().expect("one push, however often it was published");
/// assert_eq!(lease.key(), client);
/// lease.complete();
/// assert!(queue.try_lease().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dirty;

impl Backlog for Dirty {
    type Request = ();
    type Payload = ();
    type Cells = ();
    type Recording = ();

    const RECORDS: bool = false;
    const ON_DEMAND: bool = true;

    fn cells(&self) {}

    fn begin(&self, (): ()) {}

    fn abandon(&self, (): ()) {}

    fn record(&self, (): &mut (), (): &(), _: usize) {}

    fn take(&self, (): &(), _: usize) -> Option<()> {
        Some(())
    }

    fn restore(&self, (): &(), _: usize, (): ()) {}

    fn clear(&self, (): &(), _: usize) {}
}

#[cfg(not(loom))]
impl super::ConstBacklog for Dirty {
    const EMPTY: Self = Dirty;
    const CELLS: () = ();
}
