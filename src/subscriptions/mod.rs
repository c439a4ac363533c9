//! From any key to the exact clients that subscribe to it.
//!
//! ```text
//! keys      256 shards: id → key, members (ClientKey, sorted)     publishers look a key up here
//!                       ▲
//! holders   64 shards: place → generation, [id]                   clients that leave are found here
//! ```
//!
//! Locks are taken in this order: the holder's shard, then the keys' shards in ascending order. A
//! publisher takes the lock of one key's shard, while it copies the members.
//!
//! A key's destructor is the caller's code. It runs when the locks have been given back, also if a
//! comparison panics: what owns a key is declared before the first lock is taken. Keys that nobody
//! needs any more are collected in a vector, `dead`.
//!
//! With millions of subscriptions every step misses the cache, so what a client changes is done in
//! batches: see `locked`.

mod locked;
mod members;
mod shard;

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::vec::Vec;

use crate::error::Stale;
use crate::registry::ClientKey;
use locked::BATCH;
use shard::{Id, Shard};

/// Shards of the holders.
const SHARDS: usize = 64;
/// Shards of the keys. A batch locks few of them.
const KEY_SHARDS: usize = 256;
/// From any key to the exact clients that subscribe to it.
///
/// A [`Topic`](crate::Topic) is a bitmap over all clients: right for a few large groups, such as a
/// tenant. This table is right for many small ones, such as the services of a mesh: its memory is
/// in proportion to the subscriptions, a key comes with its first subscriber and goes with its last
/// one, and [`leave`](Subscriptions::leave) visits what the client subscribes to and nothing else.
///
/// The key of the first subscriber is kept, once for all of them.
///
/// # The safe order
///
/// * A subscriber calls [`subscribe`](Subscriptions::subscribe) or [`set`](Subscriptions::set),
///   *then* reads the state it starts from, or has a push published for it.
/// * A publisher makes the change readable, *then* looks up the
///   [`clients`](Subscriptions::clients), and publishes to them.
///
/// Both take the lock of the key's shard. So either the publisher finds the subscriber, or the
/// subscriber reads what the publisher wrote. After `subscribe` has returned, each look-up that
/// begins finds the client.
///
/// # Clients that leave without a word
///
/// Call [`leave`](Subscriptions::leave) when a client is unregistered. What a client leaves behind
/// without it stays until the first of these:
///
/// * the next client of its place subscribes to a key,
/// * [`present`](Subscriptions::present) or [`retain`](Subscriptions::retain) finds it.
///
/// So each place keeps the subscriptions of one client at most. A look-up may yield such a client;
/// the queue refuses its key.
///
/// # Progress
///
/// Locks of the standard library, for 256 shards of the keys and 64 shards of the clients. A
/// look-up waits for other operations on the shard of its key; a change of many subscriptions holds
/// the locks for 32 keys at a time.
///
/// # Example
///
/// ```
/// use pushlane::backlog::{ChangeSet, Shared};
/// use pushlane::{Config, Lane, PushQueue, Subscriptions, Target};
/// use std::sync::Arc;
///
/// let queue = PushQueue::<Shared<ChangeSet<&str>>>::new(Config::new(100));
/// let watched = Subscriptions::<&str>::new();
///
/// let client = queue.register()?;
/// watched.set(client, ["reviews", "ratings"])?;
///
/// for client in watched.clients("ratings") {
///     queue.publish(Target::One(client), Lane::Urgent, Arc::new(ChangeSet::from(["ratings"])))?;
/// }
/// assert_eq!(queue.try_lease().expect("published").key(), client);
/// assert!(watched.clients("details").is_empty(), "no client watches it");
///
/// queue.unregister(client)?;
/// watched.leave(client);
/// assert_eq!(watched.keys(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Subscriptions<K> {
    keys: Box<[RwLock<Shard<K>>]>,
    holders: [Mutex<HashMap<u32, Holder>>; SHARDS],
    hasher: RandomState,
}

/// The client of a place, and the keys that it subscribes to, each once.
struct Holder {
    client: ClientKey,
    keys: Vec<Id>,
}

/// A panic in a key's comparison leaves nothing half done: each step below changes one thing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq> Subscriptions<K> {
    /// A table without subscriptions.
    ///
    /// ```
    /// use pushlane::Subscriptions;
    ///
    /// let watched = Subscriptions::<String>::new();
    /// assert_eq!(watched.keys(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Subscriptions {
            keys: core::iter::repeat_with(RwLock::default).take(KEY_SHARDS).collect(),
            holders: core::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Subscribes the client to a key. Subscribing twice is subscribing once.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the client's place has passed to a client that has subscribed since. That a
    /// client has left is not noticed otherwise: see
    /// [above](Subscriptions#clients-that-leave-without-a-word).
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<u64>::new();
    /// let client = queue.register()?;
    /// watched.subscribe(client, 7)?;
    /// assert_eq!(watched.clients(&7), [client]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self, client: ClientKey, key: K) -> Result<(), Stale> {
        let hash = self.hasher.hash_one(&key);
        let (mut key, mut dead) = (Some(key), Vec::new());
        let mut holders = self.holders(client);
        let holder = self.holder(&mut holders, client, &mut dead)?;
        let added = self.shard(hash).add(hash, &mut key, client);
        if let Some((id, true)) = added {
            holder.keys.push(id);
        }
        Ok(())
    }

    /// Ends a subscription. True if there was one.
    ///
    /// A look-up that began before may still yield the client.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<u64>::new();
    /// let client = queue.register()?;
    /// watched.subscribe(client, 7)?;
    /// assert!(watched.unsubscribe(client, &7));
    /// assert!(watched.clients(&7).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unsubscribe<Q>(&self, client: ClientKey, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut dead = Vec::new();
        let mut holders = self.holders(client);
        let Some(holder) = holders.get_mut(&place(client)).filter(|it| it.client == client) else {
            return false;
        };
        let mut shard = self.shard(hash);
        let Some(id) = shard.find(hash, key) else { return false };
        let Some(at) = holder.keys.iter().position(|&held| held == id) else { return false };
        holder.keys.swap_remove(at);
        shard.remove(id, client, &mut dead);
        drop(shard);
        if holder.keys.is_empty() {
            holders.remove(&place(client));
        }
        true
    }

    /// Changes what the client subscribes to into these keys and no others.
    ///
    /// The new keys come before the first old one goes, and a key in both stays throughout: what
    /// moves from an old key to a new one meanwhile finds the client under one of them.
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](Subscriptions::subscribe).
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<&str>::new();
    /// let client = queue.register()?;
    /// watched.set(client, ["a", "b"])?;
    /// watched.set(client, ["b", "c"])?;
    /// assert!(watched.clients("a").is_empty());
    /// assert_eq!(watched.clients("c"), [client]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, client: ClientKey, keys: impl IntoIterator<Item = K>) -> Result<(), Stale> {
        // Before the locks: the iterator and the hash are the caller's code.
        let keys = keys.into_iter().map(|key| (self.hasher.hash_one(&key), Some(key)));
        let mut keys: Vec<(Id, Option<K>)> = keys.collect();
        let mut dead = Vec::new();
        let mut holders = self.holders(client);
        let holder = self.holder(&mut holders, client, &mut dead)?;
        let held = holder.keys.len();
        holder.keys.reserve_exact(keys.len());
        for batch in keys.chunks_mut(BATCH) {
            batch.sort_unstable_by_key(|&(hash, _)| shard_of(hash));
            let mut locked = self.lock_all(batch.iter().map(|&(hash, _)| hash));
            locked.read_ahead(batch.iter().map(|(hash, key)| (*hash, key.as_ref())));
            for (id, key) in batch {
                let Some((found, is_new)) = locked.shard(*id).add(*id, key, client) else {
                    continue;
                };
                *id = found;
                if is_new {
                    holder.keys.push(found);
                }
            }
        }
        let mut old = Vec::new();
        if held > 0 {
            let mut wanted: Vec<Id> = keys.iter().map(|&(id, _)| id).collect();
            wanted.sort_unstable();
            let is_old = |id: &mut Id| wanted.binary_search(id).is_err();
            old.extend(holder.keys.extract_if(..held, is_old));
        }
        holder.keys.shrink_to_fit();
        self.remove_all(client, &mut old, &mut dead);
        if holder.keys.is_empty() {
            holders.remove(&place(client));
        }
        Ok(())
    }

    /// Ends all subscriptions of a client, which has been unregistered or is about to be. Returns
    /// how many there were.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<u64>::new();
    /// let client = queue.register()?;
    /// watched.set(client, [1, 2])?;
    /// queue.unregister(client)?;
    /// assert_eq!(watched.leave(client), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leave(&self, client: ClientKey) -> usize {
        let mut dead = Vec::new();
        let mut holders = self.holders(client);
        match holders.get(&place(client)) {
            Some(holder) if holder.client == client => {}
            _ => return 0,
        }
        let Some(mut holder) = holders.remove(&place(client)) else { return 0 };
        self.remove_all(client, &mut holder.keys, &mut dead);
        holder.keys.len()
    }

    /// The clients that subscribe to the key, in the order of their places.
    ///
    /// ```
    /// use pushlane::Subscriptions;
    ///
    /// assert!(Subscriptions::<String>::new().clients("reviews").is_empty());
    /// ```
    #[must_use]
    pub fn clients<Q>(&self, key: &Q) -> Vec<ClientKey>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut clients = Vec::new();
        self.append(key, &mut clients);
        clients
    }

    /// The clients that subscribe to at least one of the keys, each once, in the order of their
    /// places.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<&str>::new();
    /// let client = queue.register()?;
    /// watched.set(client, ["a", "b"])?;
    /// assert_eq!(watched.clients_of_any(["a", "b", "c"]), [client]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn clients_of_any<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<ClientKey>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized + 'q,
    {
        let mut clients = Vec::new();
        keys.into_iter().for_each(|key| self.append(key, &mut clients));
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// The same as [`clients`](Subscriptions::clients), without those that `is_here` denies; these
    /// [leave](Subscriptions::leave).
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<u64>::new();
    /// let client = queue.register()?;
    /// watched.set(client, [1, 2])?;
    /// queue.unregister(client)?; // and the table isn't told
    /// assert!(watched.present(&1, |client| queue.is_registered(client)).is_empty());
    /// assert_eq!(watched.keys(), 0, "nothing of it is left");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn present<Q>(&self, key: &Q, mut is_here: impl FnMut(ClientKey) -> bool) -> Vec<ClientKey>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut clients = self.clients(key);
        clients.retain(|&client| {
            let here = is_here(client);
            if !here {
                self.leave(client);
            }
            here
        });
        clients
    }

    /// Lets every client [leave](Subscriptions::leave) that `is_here` denies.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, Subscriptions, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let watched = Subscriptions::<u64>::new();
    /// watched.subscribe(queue.register()?, 1)?;
    /// watched.retain(|client| queue.is_registered(client));
    /// assert_eq!(watched.keys(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&self, mut is_here: impl FnMut(ClientKey) -> bool) {
        for shard in &self.holders {
            let clients: Vec<_> = lock(shard).values().map(|holder| holder.client).collect();
            for client in clients {
                if !is_here(client) {
                    self.leave(client);
                }
            }
        }
    }

    /// How many keys have subscribers.
    #[must_use]
    pub fn keys(&self) -> usize {
        let shards = self.keys.iter();
        shards.map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// How many clients have subscriptions.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        // A key's comparison that panics may leave a holder without keys.
        let subscribes = |holder: &&Holder| !holder.keys.is_empty();
        self.holders.iter().map(|shard| lock(shard).values().filter(subscribes).count()).sum()
    }

    fn append<Q>(&self, key: &Q, clients: &mut Vec<ClientKey>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.keys[shard_of(hash)].read().unwrap_or_else(PoisonError::into_inner);
        shard.append(hash, key, clients);
    }

    fn shard(&self, hash: u64) -> RwLockWriteGuard<'_, Shard<K>> {
        self.keys[shard_of(hash)].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn holders(&self, client: ClientKey) -> MutexGuard<'_, HashMap<u32, Holder>> {
        lock(&self.holders[client.index() % SHARDS])
    }

    /// The client's holder. A client that came to the place before leaves now.
    fn holder<'a>(
        &self,
        holders: &'a mut HashMap<u32, Holder>,
        client: ClientKey,
        dead: &mut Vec<K>,
    ) -> Result<&'a mut Holder, Stale> {
        let fresh = || Holder { client, keys: Vec::new() };
        let holder = holders.entry(place(client)).or_insert_with(fresh);
        if holder.client.came_before(client) {
            let mut before = core::mem::replace(holder, fresh());
            self.remove_all(before.client, &mut before.keys, dead);
        }
        if holder.client == client { Ok(holder) } else { Err(Stale) }
    }
}

/// The map of a shard goes by the lowest bits of the hash and the highest seven.
fn shard_of(id: Id) -> usize {
    (id >> 40) as usize % KEY_SHARDS
}

fn place(client: ClientKey) -> u32 {
    client.index() as u32
}

impl<K: Hash + Eq> Default for Subscriptions<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq> fmt::Debug for Subscriptions<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("keys", &self.keys())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}
