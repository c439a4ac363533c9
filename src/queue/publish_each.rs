//! Publishing one request to a list of clients.

use super::PushQueue;
use super::publish::ReadyBatch;
use crate::backlog::Backlog;
use crate::error::{PublishError, PublishErrorKind};
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::slot::Lane;
use crate::storage::Storage;
use crate::versions::VersionSet;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Publishes a change to each of `clients`: as one [`publish`](PushQueue::publish) to each of
    /// them, but clients that follow each other and have neighbouring places share the recording
    /// and one atomic exchange. Sorted keys are cheapest.
    ///
    /// A client whose key is stale has left, and is no error: the set says how many such keys there
    /// were ([`VersionSet::stale`]). A client that comes twice is published to once or twice, and
    /// is once in the set.
    ///
    /// Lock-free where the backlog is. Allocates 12 bytes a client for the set.
    ///
    /// # Errors
    ///
    /// [`Closed`](PublishErrorKind::Closed), if the queue was closed before or meanwhile; the error
    /// gives the request back.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, backlog::Bits};
    ///
    /// let queue = PushQueue::<Bits<1>>::new(Config::new(10));
    /// let (one, other, gone) = (queue.register()?, queue.register()?, queue.register()?);
    /// queue.unregister(gone)?;
    ///
    /// let change = queue.publish_each(&[one, other, gone], Lane::Normal, [0b1])?;
    /// assert_eq!(change.stale(), 1);
    /// assert_eq!(queue.laggards(&change).count(), 2);
    /// while let Some(lease) = queue.try_lease() {
    ///     assert_eq!(*lease.request(), [0b1]);
    ///     lease.complete();
    /// }
    /// assert!(queue.is_converged(&change));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_each(
        &self,
        clients: &[ClientKey],
        lane: Lane,
        request: impl Into<B::Request>,
    ) -> Result<VersionSet, PublishError<B::Request>> {
        let request = request.into();
        if self.is_closed() {
            return Err(PublishError { kind: PublishErrorKind::Closed, request });
        }
        let mut set = VersionSet::with_capacity(clients.len());
        let mut recording = self.backlog.begin(request);
        let mut batch = ReadyBatch::new(self, lane);
        for neighbours in clients.chunk_by(|a, b| a.place().bank == b.place().bank) {
            self.publish_to_neighbours(neighbours, &mut batch, &mut recording, &mut set);
        }
        // A push in progress that is superseded hears of it.
        self.signal.interrupted();
        // After the last mark, as for one client.
        if self.convergence.newest_if_open().is_none() {
            return Err(self.refused(PublishErrorKind::Closed, recording));
        }
        drop(batch);
        set.sort();
        Ok(set)
    }

    /// To clients of one bank.
    fn publish_to_neighbours(
        &self,
        clients: &[ClientKey],
        batch: &mut ReadyBatch<'_, B, S, N>,
        recording: &mut B::Recording,
        set: &mut VersionSet,
    ) {
        let bank = clients.first().map_or(0, |client| client.place().bank);
        let is_here = |client: &&ClientKey| self.registry.holds(**client);
        let mask =
            clients.iter().filter(is_here).fold(0, |all, client| all | 1 << client.place().slot);
        if mask == 0 {
            set.add_stale(clients.len());
            return;
        }
        if B::RECORDS {
            self.backlog.record(recording, self.cells(bank), mask);
        }
        let marked = self.banks()[bank].mark(mask, batch.lane);
        batch.add(bank, marked.ready);
        // A mark may have reached the place's next client, as in a publish to one.
        for &client in clients {
            let slot = client.place().slot;
            if mask & 1 << slot != 0 && self.registry.holds(client) {
                let in_progress = marked.in_progress(slot);
                set.add_push(client, self.progress(bank).next_push(slot, in_progress));
            } else {
                set.add_stale(1);
            }
        }
    }
}
