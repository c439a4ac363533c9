//! Dirty and processing sets: the work queue of client-go, which Kubernetes controllers are served
//! by.
//!
//! A key is added to the *dirty* set, and to the queue unless it is there or being processed. A
//! worker moves it to the *processing* set; when it is done and the key is dirty again, the key
//! goes back into the queue. So a key is processed once at a time, and additions merge.
//!
//! Keys only: what a worker needs it looks up elsewhere. Better than the original: parking_lot's
//! locks, a fast hasher, and an addition of many keys under one lock.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;

use parking_lot::{Condvar, Mutex};
use rustc_hash::FxBuildHasher;

struct State<K> {
    queue: VecDeque<K>,
    dirty: HashSet<K, FxBuildHasher>,
    processing: HashSet<K, FxBuildHasher>,
}

/// The queue. See the [module](self).
pub struct WorkQueue<K> {
    state: Mutex<State<K>>,
    added: Condvar,
}

impl<K: Hash + Eq + Clone> WorkQueue<K> {
    /// An empty queue with room for so many keys.
    pub fn with_capacity(keys: usize) -> Self {
        WorkQueue {
            state: Mutex::new(State {
                queue: VecDeque::with_capacity(keys),
                dirty: HashSet::with_capacity_and_hasher(keys, FxBuildHasher),
                // As many as there are workers: not many.
                processing: HashSet::default(),
            }),
            added: Condvar::new(),
        }
    }

    /// Marks a key as needing work.
    pub fn add(&self, key: K) {
        let queued = self.state.lock().add(key);
        if queued {
            self.added.notify_one();
        }
    }

    /// Marks many keys.
    pub fn add_all(&self, keys: impl IntoIterator<Item = K>) {
        let mut state = self.state.lock();
        let mut queued = false;
        for key in keys {
            queued |= state.add(key);
        }
        drop(state);
        if queued {
            self.added.notify_all();
        }
    }

    /// The key that waits longest, or waits for one.
    pub fn get(&self) -> K {
        let mut state = self.state.lock();
        loop {
            if let Some(key) = state.take() {
                return key;
            }
            self.added.wait(&mut state);
        }
    }

    /// The key that waits longest, if one waits.
    pub fn try_get(&self) -> Option<K> {
        self.state.lock().take()
    }

    /// The key has been processed.
    pub fn done(&self, key: K) {
        let mut state = self.state.lock();
        state.processing.remove(&key);
        let again = state.dirty.contains(&key);
        if again {
            state.queue.push_back(key);
        }
        drop(state);
        if again {
            self.added.notify_one();
        }
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    /// True: it is in the queue now and was not before.
    fn add(&mut self, key: K) -> bool {
        let idle = self.dirty.insert(key.clone()) && !self.processing.contains(&key);
        if idle {
            self.queue.push_back(key);
        }
        idle
    }

    fn take(&mut self) -> Option<K> {
        let key = self.queue.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }
}

impl<K> fmt::Debug for WorkQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue").finish_non_exhaustive()
    }
}

impl crate::Peer for WorkQueue<u32> {
    type Request = ();
    type Lease<'a> = u32;

    fn with_clients(clients: u32) -> Self {
        WorkQueue::with_capacity(clients as usize)
    }

    fn publish(&self, client: u32, (): &()) {
        self.add(client);
    }

    fn publish_many(&self, clients: &[u32], (): &()) {
        self.add_all(clients.iter().copied());
    }

    fn publish_all(&self, clients: u32, (): &()) {
        self.add_all(0..clients);
    }

    fn lease(&self) -> Option<u32> {
        self.try_get()
    }

    fn client(lease: &u32) -> u32 {
        *lease
    }

    fn request(_: &u32) -> &() {
        &()
    }

    fn done(&self, lease: u32) {
        WorkQueue::done(self, lease);
    }
}
