//! [`Peer`]: what the designs have in common, so that the same test and the same benchmarks run over all.

/// A push design for a fixed number of clients, which are numbered from 0.
///
/// Each client has at most one lease; what is published for it meanwhile merges and waits.
pub trait Peer: Send + Sync {
    /// What is published.
    type Request: Send + Sync;
    /// One push in progress.
    type Lease<'a>
    where
        Self: 'a;

    /// The design with so many clients, none of which waits for anything. Whatever can be allocated
    /// ahead of time, is.
    fn with_clients(clients: u32) -> Self;

    /// Publishes for one client.
    fn publish(&self, client: u32, request: &Self::Request);

    /// Publishes for some clients, in ascending order.
    fn publish_many(&self, clients: &[u32], request: &Self::Request) {
        for &client in clients {
            self.publish(client, request);
        }
    }

    /// Publishes for all clients, of which there are so many.
    fn publish_all(&self, clients: u32, request: &Self::Request) {
        for client in 0..clients {
            self.publish(client, request);
        }
    }

    /// Begins a push, if a client waits for one. While other threads are at it, `None` may be
    /// wrong.
    fn lease(&self) -> Option<Self::Lease<'_>>;

    /// Who is pushed to.
    fn client(lease: &Self::Lease<'_>) -> u32;

    /// What is pushed.
    fn request<'a>(lease: &'a Self::Lease<'_>) -> &'a Self::Request;

    /// Ends the push.
    fn done(&self, lease: Self::Lease<'_>);
}

/// A request, and the place where it waits in designs that have one place for each client.
pub trait Request: crate::Merge + Clone + Send + Sync {
    /// The place.
    type Cell: Default + Send + Sync;

    /// Merges the request into what is in the place.
    fn record(&self, cell: &Self::Cell);
    /// Takes what is in the place, if there is anything.
    fn take(cell: &Self::Cell) -> Option<Self>;
}

/// Nothing needs no place.
impl Request for () {
    type Cell = ();

    fn record(&self, (): &()) {}

    fn take((): &()) -> Option<()> {
        Some(())
    }
}

impl<R: crate::Merge + Clone + Send + Sync> Request for std::sync::Arc<R> {
    type Cell = parking_lot::Mutex<Option<Self>>;

    fn record(&self, cell: &Self::Cell) {
        match &mut *cell.lock() {
            Some(pending) => crate::Merge::merge(pending, self),
            empty => *empty = Some(Self::clone(self)),
        }
    }

    fn take(cell: &Self::Cell) -> Option<Self> {
        cell.lock().take()
    }
}
