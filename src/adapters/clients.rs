//! [`Clients`]: a queue together with the values of its clients.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::builder::Builder;
use super::outcome::EvictReason;
use super::push::{Handle, Push};
use crate::client_map::ClientMap;
use crate::queue::Serve;

/// A queue's handle and the value of each of its clients, its connection as a rule: a handle
/// itself, so that a handler finds the client's value with [`Push::client`].
///
/// ```
/// # #[cfg(feature = "blocking")] {
/// use std::sync::{Arc, mpsc};
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Clients, Dispatcher};
/// use pushlane::{Config, Lane, Target, backlog::Bits};
///
/// struct Connection(mpsc::Sender<u32>);
///
/// let queue = Arc::new(AsyncQueue::<Bits<1>>::new(Config::new(1_000).topics(8)));
/// let clients = Clients::<_, Connection>::new(queue);
///
/// let pool = Dispatcher::builder(clients.clone())
///     .close_evicted(|connection, reason| drop((connection, reason)))
///     .start_pool(2, |push| {
///         let Some(connection) = push.client() else { return Ok(()) }; // it has left
///         connection.0.send(push.request()[0])?;
///         Ok(())
///     })?;
///
/// let (sender, receiver) = mpsc::channel();
/// clients.map().connect(&clients, Connection(sender), [], Lane::Normal, [0b1])?;
/// assert_eq!(receiver.recv()?, 0b1);
/// pool.drain(Duration::from_secs(5))?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Clients<Q, T> {
    queue: Q,
    map: Arc<ClientMap<T>>,
}

impl<Q: Handle, T: Send + Sync + 'static> Clients<Q, T> {
    /// The values of the clients of a queue: none so far.
    pub fn new(queue: Q) -> Self {
        let map = Arc::new(ClientMap::for_queue(queue.as_queue()));
        Clients { queue, map }
    }

    /// The values: connects and disconnects clients.
    pub fn map(&self) -> &ClientMap<T> {
        &self.map
    }
}

impl<Q: Handle, T: Send + Sync + 'static> Push<Clients<Q, T>> {
    /// The client's value. `None`: it has been disconnected, and there is nothing to send.
    pub fn client(&self) -> Option<Arc<T>> {
        self.queue().map.get(self.key())
    }
}

impl<Q: Handle, T: Send + Sync + 'static> Builder<Clients<Q, T>> {
    /// Called with the value of each client that has been evicted, which is taken out of the map;
    /// in the place of [`on_evict`](Builder::on_evict).
    pub fn close_evicted(
        self,
        callback: impl Fn(Arc<T>, EvictReason) + Send + Sync + 'static,
    ) -> Self {
        let map = Arc::clone(&self.queue.map);
        self.on_evict(move |client, reason| {
            if let Some(value) = map.take(client) {
                callback(value, reason);
            }
        })
    }
}

impl<Q: Deref, T> Deref for Clients<Q, T> {
    type Target = Q::Target;

    fn deref(&self) -> &Q::Target {
        &self.queue
    }
}

impl<Q: Clone, T> Clone for Clients<Q, T> {
    fn clone(&self) -> Self {
        Clients { queue: self.queue.clone(), map: Arc::clone(&self.map) }
    }
}

impl<Q, T> fmt::Debug for Clients<Q, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}
