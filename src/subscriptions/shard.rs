//! [`Shard`]: some of the keys, and their members.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use super::members::Members;
use crate::registry::ClientKey;

/// Names a key while it has members: its hash, or the next one that is free if another key has it.
pub(super) type Id = u64;

pub(super) struct Shard<K> {
    entries: HashMap<Id, Entry<K>, BuildHasherDefault<Identity>>,
    /// How many keys have members.
    len: usize,
}

pub(super) struct Entry<K> {
    pub(super) key: K,
    /// Empty only while another key with the same hash has the next id.
    pub(super) members: Members,
}

/// The bits of an id that change where hashes are equal. They don't choose the shard.
const CHANGES: u64 = u32::MAX as u64;

fn after(id: Id) -> Id {
    (id & !CHANGES) | (id.wrapping_add(1) & CHANGES)
}

fn before(id: Id) -> Id {
    (id & !CHANGES) | (id.wrapping_sub(1) & CHANGES)
}

impl<K> Shard<K> {
    /// The key's id, or the free one that it would get.
    fn search(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Result<Id, Id> {
        let mut id = hash;
        while let Some(entry) = self.entries.get(&id) {
            if is_it(&entry.key) {
                return Ok(id);
            }
            id = after(id);
        }
        Err(id)
    }

    pub(super) fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<Id>
    where
        K: Borrow<Q>,
    {
        self.search(hash, |it| it.borrow() == key).ok()
    }

    pub(super) fn append<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, clients: &mut Vec<ClientKey>)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.find(hash, key).and_then(|id| self.entries.get(&id)) {
            entry.members.append_to(clients);
        }
    }

    /// Makes the client a member of the key, and says whether it was none before. Takes the key
    /// only if the shard doesn't have it yet, and not if a comparison panics. `None`: there was no
    /// key.
    pub(super) fn add(
        &mut self,
        hash: u64,
        key: &mut Option<K>,
        client: ClientKey,
    ) -> Option<(Id, bool)>
    where
        K: Eq,
    {
        let (Ok(id) | Err(id)) = self.search(hash, |it| Some(it) == key.as_ref());
        let entry = match self.entries.entry(id) {
            Occupied(entry) => entry.into_mut(),
            Vacant(place) => place.insert(Entry { key: key.take()?, members: Members::default() }),
        };
        self.len += usize::from(entry.members.is_empty());
        Some((id, entry.members.insert(client)))
    }

    /// Removes a member. Keys that nobody needs any more go to `dead`.
    pub(super) fn remove(&mut self, id: Id, client: ClientKey, dead: &mut Vec<K>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if !entry.members.remove(client) || !entry.members.is_empty() {
            return;
        }
        self.len -= 1;
        // The search for a key that has the next id passes here.
        let mut id = id;
        if self.entries.contains_key(&after(id)) {
            return;
        }
        while self.entries.get(&id).is_some_and(|entry| entry.members.is_empty()) {
            dead.extend(self.entries.remove(&id).map(|entry| entry.key));
            id = before(id);
        }
    }

    pub(super) fn entry(&self, id: Id) -> Option<&Entry<K>> {
        self.entries.get(&id)
    }

    /// How many keys have members.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Shard { entries: HashMap::default(), len: 0 }
    }
}

/// What is hashed is a hash.
#[derive(Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only ids are hashed");
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}
