//! What is chosen when an adapter is started.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;

use super::eviction::EvictReason;
use super::grant::Grant;
use super::push::Handle;
use crate::registry::ClientKey;

type OnEvict = dyn Fn(ClientKey, EvictReason) + Send + Sync;
type OnPanic = dyn Fn(ClientKey, Box<dyn Any + Send>) + Send + Sync;

/// How long a push may take, and who is told when one goes wrong.
///
/// There is no default deadline, so one has to be chosen, or done without explicitly.
///
/// ```
/// use std::time::Duration;
/// use pushlane::adapters::Options;
///
/// let options = Options::deadline(Duration::from_secs(5))
///     .on_evict(|client, reason| eprintln!("{client:?} is disconnected: {reason}"))
///     .on_panic(|client, _| eprintln!("a push to {client:?} panicked, and is tried again"));
/// # drop(options);
/// ```
#[derive(Clone)]
pub struct Options {
    pub(super) limit: Option<Duration>,
    pub(super) stuck_threads: Option<usize>,
    on_evict: Option<Arc<OnEvict>>,
    on_panic: Option<Arc<OnPanic>>,
}

impl Options {
    /// Each push must end within `limit` of its grant, that is of the moment its lease began. When it has
    /// not, the client is evicted: it is unregistered, the permit comes back if it was still held, and
    /// the handler is dropped or, where it can't be, given up.
    pub fn deadline(limit: Duration) -> Self {
        Options { limit: Some(limit), ..Options::no_deadline() }
    }

    /// A push may take for ever. A client that hangs then keeps its permit (unless the handler releases
    /// it early), and as many such clients as there are permits bring everything to a stand.
    pub fn no_deadline() -> Self {
        Options { limit: None, stuck_threads: None, on_evict: None, on_panic: None }
    }

    /// Called after a client has been evicted, once for each. Must not block: other deadlines wait
    /// for it.
    #[must_use]
    pub fn on_evict(
        mut self,
        callback: impl Fn(ClientKey, EvictReason) + Send + Sync + 'static,
    ) -> Self {
        self.on_evict = Some(Arc::new(callback));
        self
    }

    /// Called after a handler has panicked, with the client that it was to push to, and what it
    /// panicked with. If the push had not ended, it has been requeued.
    #[must_use]
    pub fn on_panic(
        mut self,
        callback: impl Fn(ClientKey, Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.on_panic = Some(Arc::new(callback));
        self
    }

    /// For a pool of threads: how many of them may be stuck past the deadline *and* replaced. Further
    /// ones that get stuck are missing until one comes back. Default: as many as the pool has.
    #[must_use]
    pub fn stuck_threads(mut self, most: usize) -> Self {
        self.stuck_threads = Some(most);
        self
    }

    /// The deadline has passed.
    pub(super) fn expire<Q: Handle>(&self, grant: &Grant<Q>) {
        let Some(limit) = self.limit else { return };
        let evicted = grant.expire();
        if let Some(callback) = self.on_evict.as_ref().filter(|_| evicted) {
            shielded(|| callback(grant.client(), EvictReason::Deadline(limit)));
        }
    }

    /// A handler has panicked.
    pub(super) fn panicked(&self, client: ClientKey, panic: Box<dyn Any + Send>) {
        match &self.on_panic {
            Some(callback) => shielded(|| callback(client, panic)),
            None => shielded(|| drop(panic)),
        }
    }
}

/// A callback that panics has been reported by the panic hook, and stops nothing.
fn shielded(callback: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(callback));
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("deadline", &self.limit)
            .field("stuck_threads", &self.stuck_threads)
            .finish_non_exhaustive()
    }
}
