//! A value for each client: its connection, as a rule.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use crate::backlog::Backlog;
use crate::error::{PublishErrorKind, RegisterError, SubscribeError};
use crate::queue::{PushQueue, Target};
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::slot::Lane;
use crate::storage::Storage;
use crate::topics::Topic;

/// The system's lock where there is one: a spin lock would take the time of the thread that it
/// waits for. A mutex, not a reader-writer lock: a client has at most one push in progress, so a
/// place hardly ever has two readers, and an uncontended mutex is cheaper.
#[derive(Default)]
struct Lock<T>(
    #[cfg(feature = "std")] std::sync::Mutex<T>,
    #[cfg(not(feature = "std"))] spin::Mutex<T>,
);

impl<T> Lock<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // A panic leaves nothing half done: what is guarded changes in one step.
        #[cfg(feature = "std")]
        let mut guard = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        #[cfg(not(feature = "std"))]
        let mut guard = self.0.lock();
        work(&mut guard)
    }
}

/// A value for each client, found by its [`ClientKey`]: its connection, as a rule.
///
/// [`connect`](ClientMap::connect) registers a client in the safe order, so that its first push
/// already finds the value; [`get`](ClientMap::get) is for the handler of a push. The key of a
/// client that was [disconnected](ClientMap::disconnect), or whose place has passed to another one,
/// finds nothing.
///
/// The map belongs to one queue: connect and disconnect with the same one.
///
/// Needs `alloc`, and `std` or `spin` for the lock of a place.
///
/// # Progress
///
/// Each place has a lock, held while a pointer is copied or exchanged; no user code runs under it.
/// `connect` holds one more lock while it registers. A `get` or a `disconnect` that finds nothing
/// waits for that lock, because the client may be connecting. So the `Drop` of a request must not
/// use the map: it could wait for itself.
///
/// # Example
///
/// ```
/// use pushlane::backlog::{ChangeSet, Everything, Shared};
/// use pushlane::{ClientMap, Config, Lane, PushQueue, Topic};
/// use std::sync::Arc;
///
/// struct Connection(&'static str);
///
/// let queue = PushQueue::<Shared<ChangeSet<&str>>>::new(Config::new(100).topics(4));
/// let clients = ClientMap::<Connection>::for_queue(&queue);
///
/// let everything = Arc::new(ChangeSet::everything());
/// let client = clients.connect(&queue, Connection("10.0.0.7"), [Topic(3)], Lane::Normal, everything)?;
///
/// let lease = queue.try_lease().expect("the first push");
/// let connection = clients.get(lease.key()).expect("connected");
/// assert_eq!(connection.0, "10.0.0.7"); // compute, send
/// lease.complete();
///
/// let connection = clients.disconnect(&queue, client).expect("once");
/// assert!(clients.get(client).is_none());
/// # drop(connection);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientMap<T> {
    places: Box<[Lock<Option<Sitting<T>>>]>,
    /// Held while a client is registered, until its value is stored.
    connecting: Lock<()>,
}

/// The client of a place, and its value. The value is behind an `Arc`, so that neither cloning nor
/// dropping it happens under the lock.
struct Sitting<T> {
    client: ClientKey,
    value: Arc<T>,
}

impl<T> ClientMap<T> {
    /// A map for a queue of this [capacity](PushQueue::capacity). Takes 24 bytes a place on a
    /// 64-bit target.
    ///
    /// ```
    /// use pushlane::ClientMap;
    ///
    /// assert_eq!(ClientMap::<u32>::new(10).iter().count(), 0);
    /// ```
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let place = || Lock(Option::None.into());
        ClientMap {
            places: core::iter::repeat_with(place).take(capacity).collect(),
            connecting: Lock(().into()),
        }
    }

    /// A map for the clients of this queue.
    ///
    /// ```
    /// use pushlane::{ClientMap, Config, PushQueue, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let clients = ClientMap::<u32>::for_queue(&queue);
    /// # let _ = clients;
    /// ```
    #[must_use]
    pub fn for_queue<B, S, N>(queue: &PushQueue<B, S, N>) -> Self
    where
        B: Backlog,
        S: Storage,
        N: Signal,
    {
        Self::new(queue.capacity())
    }

    /// Connects a client: registers it, stores its value, subscribes it to the topics, and
    /// publishes `request` to it, as a rule "everything".
    ///
    /// In this order nothing is missed: the first push reads the state after the client has
    /// subscribed, and later publishes reach it. Every push finds the value. A publish to everyone
    /// that comes during the call may be pushed before `request`.
    ///
    /// # Errors
    ///
    /// The queue is full or closed, has fewer topics, or has more places than the map. The error
    /// gives the value back, and the client is not registered. An eviction during the call is no
    /// error.
    ///
    /// ```
    /// use pushlane::{ClientMap, Config, ConnectErrorKind, Lane, PushQueue, Topic, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(1).topics(1));
    /// let clients = ClientMap::<&str>::for_queue(&queue);
    ///
    /// let error = clients.connect(&queue, "a", [Topic(5)], Lane::Normal, ()).unwrap_err();
    /// assert_eq!((error.kind, *error.value), (ConnectErrorKind::UnknownTopic(Topic(5)), "a"));
    ///
    /// clients.connect(&queue, "b", [Topic(0)], Lane::Normal, ())?;
    /// let error = clients.connect(&queue, "c", [Topic(0)], Lane::Normal, ()).unwrap_err();
    /// assert_eq!((error.kind, *error.value), (ConnectErrorKind::Full, "c"));
    /// # Ok::<(), pushlane::ConnectError<&str>>(())
    /// ```
    pub fn connect<B, S, N>(
        &self,
        queue: &PushQueue<B, S, N>,
        value: impl Into<Arc<T>>,
        topics: impl AsRef<[Topic]>,
        lane: Lane,
        request: B::Request,
    ) -> Result<ClientKey, ConnectError<T>>
    where
        B: Backlog,
        S: Storage,
        N: Signal,
    {
        let (value, topics) = (value.into(), topics.as_ref());
        if queue.capacity() > self.places.len() {
            return Err(ConnectError { kind: ConnectErrorKind::SmallerMap, value });
        }
        if let Some(&topic) = topics.iter().find(|topic| topic.0 as usize >= queue.topics()) {
            return Err(ConnectError { kind: ConnectErrorKind::UnknownTopic(topic), value });
        }
        let registered = self.connecting.with(|()| {
            let client = queue.register()?;
            let sitting = Sitting { client, value: Arc::clone(&value) };
            Ok((client, self.places[client.index()].with(|place| place.replace(sitting))))
        });
        let (client, before) = match registered {
            Ok(registered) => registered,
            Err(error) => return Err(ConnectError { kind: refusal(error), value }),
        };
        let undo = Undo { map: self, queue, client };
        // What sat here before, and was not disconnected. Its destructor is the caller's code: it
        // runs outside of the locks, and may panic.
        drop(before);
        for &topic in topics {
            // Refused only if the client has been evicted already.
            let _ = queue.subscribe(client, topic);
        }
        let published = queue.publish(Target::One(client), lane, request);
        if published.is_err_and(|error| error.kind == PublishErrorKind::Closed) {
            return Err(ConnectError { kind: ConnectErrorKind::Closed, value });
        }
        core::mem::forget(undo);
        Ok(client)
    }

    /// The client's value, unless it has been disconnected or its place has passed on.
    ///
    /// A handler that finds nothing has a push for a client that has left: there is nothing to
    /// send.
    ///
    /// ```
    /// use pushlane::{ClientMap, Config, Lane, PushQueue, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let clients = ClientMap::<u32>::for_queue(&queue);
    /// let client = clients.connect(&queue, 7, [], Lane::Normal, ())?;
    /// assert_eq!(clients.get(client).as_deref(), Some(&7));
    /// # Ok::<(), pushlane::ConnectError<u32>>(())
    /// ```
    #[must_use]
    pub fn get(&self, client: ClientKey) -> Option<Arc<T>> {
        let is_it = |sitting: &&Sitting<T>| sitting.client == client;
        self.look(client, |place| place.as_ref().filter(is_it).map(|it| Arc::clone(&it.value)))
    }

    /// Disconnects a client: takes its value out and unregisters it. Of several callers, one gets
    /// the value.
    ///
    /// A push in progress goes on to its end. Disconnect a client that was
    /// [evicted](PushQueue::unregister) too: otherwise its value stays until its place has another
    /// client.
    ///
    /// ```
    /// use pushlane::{ClientMap, Config, Lane, PushQueue, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let clients = ClientMap::<u32>::for_queue(&queue);
    /// let client = clients.connect(&queue, 7, [], Lane::Normal, ())?;
    /// assert_eq!(clients.disconnect(&queue, client).as_deref(), Some(&7));
    /// assert!(clients.disconnect(&queue, client).is_none());
    /// assert!(!queue.is_registered(client));
    /// # Ok::<(), pushlane::ConnectError<u32>>(())
    /// ```
    pub fn disconnect<B, S, N>(
        &self,
        queue: &PushQueue<B, S, N>,
        client: ClientKey,
    ) -> Option<Arc<T>>
    where
        B: Backlog,
        S: Storage,
        N: Signal,
    {
        // The value first: afterwards the place may have another client.
        let value = self.take(client);
        let _ = queue.unregister(client);
        value
    }

    /// Takes the client's value out.
    pub(crate) fn take(&self, client: ClientKey) -> Option<Arc<T>> {
        let is_it = |sitting: &mut Sitting<T>| sitting.client == client;
        self.look(client, |place| place.take_if(is_it).map(|it| it.value))
    }

    /// Looks once more if it finds nothing: perhaps the client has been registered, and its value
    /// is not stored yet.
    fn look<R>(
        &self,
        client: ClientKey,
        look: impl Fn(&mut Option<Sitting<T>>) -> Option<R>,
    ) -> Option<R> {
        let place = self.places.get(client.index())?;
        place.with(&look).or_else(|| self.connecting.with(|()| place.with(&look)))
    }

    /// The clients and their values, in the order of their places. Each place is looked at when the
    /// iterator comes to it.
    ///
    /// ```
    /// use pushlane::{ClientMap, Config, Lane, PushQueue, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let clients = ClientMap::<u32>::for_queue(&queue);
    /// clients.connect(&queue, 7, [], Lane::Normal, ())?;
    /// clients.connect(&queue, 8, [], Lane::Normal, ())?;
    /// assert_eq!(clients.iter().map(|(_, value)| *value).sum::<u32>(), 15);
    /// # Ok::<(), pushlane::ConnectError<u32>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (ClientKey, Arc<T>)> + '_ {
        self.places.iter().filter_map(|place| {
            place.with(|place| place.as_ref().map(|it| (it.client, Arc::clone(&it.value))))
        })
    }
}

/// Disconnects a client that could not be connected, also if the caller's code panicked.
struct Undo<'a, T, B: Backlog, S: Storage, N: Signal> {
    map: &'a ClientMap<T>,
    queue: &'a PushQueue<B, S, N>,
    client: ClientKey,
}

impl<T, B: Backlog, S: Storage, N: Signal> Drop for Undo<'_, T, B, S, N> {
    fn drop(&mut self) {
        self.map.disconnect(self.queue, self.client);
    }
}

impl<T> fmt::Debug for ClientMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMap").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

/// A client that could not be connected, with its value.
///
/// ```
/// use pushlane::{ClientMap, Config, Lane, PushQueue, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(1));
/// let clients = ClientMap::<u32>::for_queue(&queue);
/// queue.close();
/// let error = clients.connect(&queue, 7, [], Lane::Normal, ()).unwrap_err();
/// assert_eq!((error.to_string().as_str(), *error.value), ("the queue is closed", 7));
/// ```
pub struct ConnectError<T> {
    /// Why.
    pub kind: ConnectErrorKind,
    /// What was to be stored.
    pub value: Arc<T>,
}

/// Why a client could not be connected.
///
/// ```
/// use pushlane::{ConnectErrorKind, Topic};
///
/// assert_eq!(ConnectErrorKind::UnknownTopic(Topic(7)).to_string(), "the queue has no topic 7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Every place is taken.
    Full,
    /// The queue has been closed.
    Closed,
    /// The queue was made with fewer topics.
    UnknownTopic(Topic),
    /// The map was made for a queue with fewer places.
    SmallerMap,
}

fn refusal(error: RegisterError) -> ConnectErrorKind {
    match error {
        RegisterError::Full => ConnectErrorKind::Full,
        RegisterError::Closed => ConnectErrorKind::Closed,
    }
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ConnectErrorKind::Full => RegisterError::Full.fmt(f),
            ConnectErrorKind::Closed => RegisterError::Closed.fmt(f),
            ConnectErrorKind::UnknownTopic(topic) => SubscribeError::UnknownTopic(topic).fmt(f),
            ConnectErrorKind::SmallerMap => f.write_str("the map has fewer places than the queue"),
        }
    }
}

impl<T> fmt::Debug for ConnectError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for ConnectError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<T> Error for ConnectError<T> {}

#[cfg(all(test, feature = "std"))]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::backlog::Dirty;
    use crate::config::Config;

    type Look = fn(&ClientMap<u32>, ClientKey) -> Option<Arc<u32>>;

    #[test]
    fn a_look_for_a_client_that_is_being_registered_waits_for_its_value() {
        for look in [ClientMap::get as Look, ClientMap::take] {
            let queue = PushQueue::<Dirty>::new(Config::new(1));
            let map = &ClientMap::<u32>::for_queue(&queue);
            let start = &Barrier::new(2);
            thread::scope(|scope| {
                let looking = map.connecting.with(|()| {
                    let client = queue.register().unwrap();
                    let looking = scope.spawn(move || {
                        start.wait();
                        look(map, client)
                    });
                    start.wait();
                    // Time to look too early.
                    (0..10_000).for_each(|_| thread::yield_now());
                    let sitting = Sitting { client, value: Arc::new(7) };
                    map.places[0].with(|place| *place = Some(sitting));
                    looking
                });
                assert_eq!(looking.join().unwrap().as_deref(), Some(&7));
            });
        }
    }
}
