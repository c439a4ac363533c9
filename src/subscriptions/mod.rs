//! From any key to the exact clients that subscribe to it.
//!
//! ```text
//! keys      64 shards: key → Arc<Entry>     a publisher looks a key up here
//!                             │ members: ClientKey, sorted
//!                             ▲
//! holders   64 shards: place → generation, [Arc<Entry>]     a client that leaves is found here
//! ```
//!
//! Locks are taken in this order: the holder's shard, the key's shard, the entry. A publisher takes
//! the last two, for as long as it takes to copy the members.

mod members;

use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::vec::Vec;

use crate::error::Stale;
use crate::registry::ClientKey;
use members::Members;

const SHARDS: usize = 64;

/// From any key to the exact clients that subscribe to it.
///
/// A [`Topic`](crate::Topic) is a bitmap over all clients: right for a few large groups, such as a
/// tenant. This table is right for many small ones, such as the services of a mesh: its memory is
/// in proportion to the subscriptions, a key comes with its first subscriber and goes with its last
/// one, and [`leave`](Subscriptions::leave) visits what the client subscribes to and nothing else.
///
/// A key is cloned when its first subscriber comes, and kept once for all of them.
///
/// # The safe order
///
/// * A subscriber calls [`subscribe`](Subscriptions::subscribe) or [`set`](Subscriptions::set),
///   *then* reads the state it starts from, or has a push published for it.
/// * A publisher makes the change readable, *then* looks up the
///   [`clients`](Subscriptions::clients), and publishes to them.
///
/// Both take the key's lock. So either the publisher finds the subscriber, or the subscriber reads
/// what the publisher wrote. After `subscribe` has returned, each look-up that begins finds the
/// client.
///
/// # Clients that leave without a word
///
/// Call [`leave`](Subscriptions::leave) when a client is unregistered. What a client leaves behind
/// without it stays until the first of these:
///
/// * the next client of its place subscribes to anything,
/// * [`present`](Subscriptions::present) meets it, or [`retain`](Subscriptions::retain).
///
/// So no more stays than what the last client of each place subscribed to. A look-up may yield such
/// a client meanwhile; the queue refuses its key.
///
/// # Progress
///
/// Locks of the standard library, one for each of 64 shards of the keys, 64 shards of the clients,
/// and each key. A look-up waits for other operations on keys of the same shard, each of which
/// holds the lock for one key at a time.
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
    keys: [RwLock<HashMap<K, Arc<Entry<K>>>>; SHARDS],
    holders: [Mutex<HashMap<u32, Holder<K>>>; SHARDS],
    hasher: RandomState,
}

/// A key that has members.
struct Entry<K> {
    key: K,
    members: Mutex<Members>,
}

/// The client of a place, and what it subscribes to.
struct Holder<K> {
    client: ClientKey,
    /// Sorted by address.
    entries: Vec<Arc<Entry<K>>>,
}

impl<K> Entry<K> {
    fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

/// A panic in the code of a key leaves nothing half done: each step below changes one thing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq + Clone> Subscriptions<K> {
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
            keys: core::array::from_fn(|_| RwLock::default()),
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
        let mut holders = self.holders(client);
        let holder = self.holder(&mut holders, client)?;
        self.add(holder, key);
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
        let mut holders = self.holders(client);
        let Some(holder) = holders.get_mut(&place(client)).filter(|it| it.client == client) else {
            return false;
        };
        let Some(entry) = self.find(key) else { return false };
        let Ok(at) = position(&holder.entries, &entry) else { return false };
        holder.entries.remove(at);
        if holder.entries.is_empty() {
            holders.remove(&place(client));
        }
        self.remove(client, &entry);
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
        // Before the lock: the iterator is the caller's code.
        let keys: Vec<K> = keys.into_iter().collect();
        let mut holders = self.holders(client);
        let holder = self.holder(&mut holders, client)?;
        let mut wanted: Vec<_> = keys.into_iter().map(|key| self.add(holder, key)).collect();
        wanted.sort_unstable_by_key(address);
        wanted.dedup_by_key(|entry| address(entry));
        wanted.shrink_to_fit();
        let old = core::mem::replace(&mut holder.entries, wanted);
        for entry in &old {
            if position(&holder.entries, entry).is_err() {
                self.remove(client, entry);
            }
        }
        if holder.entries.is_empty() {
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
        let mut holders = self.holders(client);
        match holders.get(&place(client)) {
            Some(holder) if holder.client == client => {}
            _ => return 0,
        }
        let Some(holder) = holders.remove(&place(client)) else { return 0 };
        self.drop_all(&holder);
        holder.entries.len()
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
        let of = |shard: &RwLock<HashMap<_, _>>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).len()
        };
        self.keys.iter().map(of).sum()
    }

    /// How many clients subscribe to something.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.holders.iter().map(|shard| lock(shard).len()).sum()
    }

    fn append<Q>(&self, key: &Q, clients: &mut Vec<ClientKey>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.get(key) {
            entry.members().append_to(clients);
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, Arc<Entry<K>>>> {
        // Not the bits by which the shard's own map goes, whose hasher differs anyway.
        &self.keys[self.hasher.hash_one(key) as usize % SHARDS]
    }

    fn find<Q>(&self, key: &Q) -> Option<Arc<Entry<K>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn holders(&self, client: ClientKey) -> MutexGuard<'_, HashMap<u32, Holder<K>>> {
        lock(&self.holders[client.index() % SHARDS])
    }

    /// The client's holder. A client that came to the place before leaves now.
    fn holder<'a>(
        &self,
        holders: &'a mut HashMap<u32, Holder<K>>,
        client: ClientKey,
    ) -> Result<&'a mut Holder<K>, Stale> {
        let fresh = || Holder { client, entries: Vec::new() };
        let holder = holders.entry(place(client)).or_insert_with(fresh);
        if holder.client.came_before(client) {
            let before = core::mem::replace(holder, fresh());
            self.drop_all(&before);
        }
        if holder.client == client { Ok(holder) } else { Err(Stale) }
    }

    fn drop_all(&self, holder: &Holder<K>) {
        holder.entries.iter().for_each(|entry| self.remove(holder.client, entry));
    }

    /// Makes the client a member of the key, which comes into being for it.
    fn add(&self, holder: &mut Holder<K>, key: K) -> Arc<Entry<K>> {
        // Under the shard's lock, so that the entry can't be dropped before the client is in it.
        let insert = |entry: &Arc<Entry<K>>| {
            entry.members().insert(holder.client);
            Arc::clone(entry)
        };
        let shard = self.shard(&key);
        let found = shard.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(insert);
        let entry = found.unwrap_or_else(|| {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let entry = shard
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Entry { key, members: Mutex::default() }));
            insert(entry)
        });
        if let Err(at) = position(&holder.entries, &entry) {
            holder.entries.insert(at, Arc::clone(&entry));
        }
        entry
    }

    /// Removes the client from the key, which goes with its last member.
    fn remove(&self, client: ClientKey, entry: &Arc<Entry<K>>) {
        let is_empty = {
            let mut members = entry.members();
            members.remove(client) && members.is_empty()
        };
        if is_empty {
            let mut shard = self.shard(&entry.key).write().unwrap_or_else(PoisonError::into_inner);
            // Another client may have come, or have come and gone, and another entry be there now.
            let same = shard.get(&entry.key).is_some_and(|now| Arc::ptr_eq(now, entry));
            if same && entry.members().is_empty() {
                shard.remove(&entry.key);
            }
        }
    }
}

fn place(client: ClientKey) -> u32 {
    client.index() as u32
}

fn address<K>(entry: &Arc<Entry<K>>) -> *const Entry<K> {
    Arc::as_ptr(entry)
}

fn position<K>(entries: &[Arc<Entry<K>>], entry: &Arc<Entry<K>>) -> Result<usize, usize> {
    entries.binary_search_by_key(&address(entry), address)
}

impl<K: Hash + Eq + Clone> Default for Subscriptions<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Subscriptions<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("keys", &self.keys())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}
