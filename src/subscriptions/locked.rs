//! Keys of one client that are changed together.
//!
//! Their shards are locked first, then all that is needed is read, where the misses of the cache
//! overlap, and then it is changed.

use core::hash::Hash;
use core::hint::black_box;
use std::sync::RwLockWriteGuard;
use std::vec::Vec;

use super::shard::{Entry, Id, Shard};
use super::{Subscriptions, shard_of};
use crate::registry::ClientKey;

/// How many keys are changed under one set of locks.
pub(super) const BATCH: usize = 32;

impl<K: Hash + Eq> Subscriptions<K> {
    /// Locks the shards of these keys, which come in the order of their shards.
    pub(super) fn lock_all(&self, ids: impl Iterator<Item = Id>) -> Locked<'_, K> {
        let mut guards: Vec<(usize, RwLockWriteGuard<'_, Shard<K>>)> = Vec::with_capacity(BATCH);
        for id in ids {
            let shard = shard_of(id);
            if guards.last().is_none_or(|&(last, _)| last != shard) {
                guards.push((shard, self.shard(id)));
            }
        }
        Locked { guards, at: 0 }
    }

    /// Removes the client from these keys. Those without members go to `dead`.
    pub(super) fn remove_all(&self, client: ClientKey, ids: &mut [Id], dead: &mut Vec<K>) {
        for batch in ids.chunks_mut(BATCH) {
            batch.sort_unstable_by_key(|&id| shard_of(id));
            let mut locked = self.lock_all(batch.iter().copied());
            locked.read_ahead(batch.iter().map(|&id| (id, None)));
            for &id in &*batch {
                locked.shard(id).remove(id, client, dead);
            }
        }
    }
}

/// The shards of a batch of keys.
pub(super) struct Locked<'a, K> {
    guards: Vec<(usize, RwLockWriteGuard<'a, Shard<K>>)>,
    /// The last one that was asked for.
    at: usize,
}

impl<K> Locked<'_, K> {
    /// The shard of a key. The keys of a batch come in the order of their shards.
    pub(super) fn shard(&mut self, id: Id) -> &mut Shard<K> {
        let shard = shard_of(id);
        while self.guards[self.at].0 != shard {
            self.at = (self.at + 1) % self.guards.len();
        }
        &mut self.guards[self.at].1
    }

    /// Reads what is about to be changed for these keys. No lock is taken and nothing changed in
    /// between, so the processor waits for several at once; the less there is to do for each, the
    /// more of them.
    pub(super) fn read_ahead<'k>(&self, keys: impl Iterator<Item = (Id, Option<&'k K>)>)
    where
        K: Eq + 'k,
    {
        let mut guards = self.guards.iter();
        let mut shard = guards.next();
        let mut found: [Option<(&Entry<K>, Option<&K>)>; BATCH] = [None; BATCH];
        for (found, (id, key)) in found.iter_mut().zip(keys) {
            while shard.is_some_and(|(shard, _)| *shard != shard_of(id)) {
                shard = guards.next();
            }
            *found = shard.and_then(|(_, shard)| Some((shard.entry(id)?, key)));
        }
        let found = found.iter().flatten();
        let read = found.clone().map(|(entry, _)| entry.members.look());
        black_box(read.fold(0, usize::wrapping_add));
        let read = found.map(|(entry, key)| usize::from(key.is_some_and(|key| *key == entry.key)));
        black_box(read.fold(0, usize::wrapping_add));
    }
}
