//! From what etcd says to what is served: pure, without a connection.
//!
//! Nothing is lost, whatever happens to a watch:
//!
//! * Each event is checked against what is known of its key. The first version of a key must be new
//!   here, the nth must follow the one before, and only a key that is here can be deleted.
//!   Otherwise an event was missed, and the state is read anew.
//! * An event that is not newer than the state is a duplicate if its key is as new as it says;
//!   otherwise it came too late, and the state is read anew.
//! * Of a state that is read anew, only what differs is a change. If its revision is lower than one
//!   before, etcd was restored, and all of it is a change.
//!
//! One revision is one change. A value that can't be read changes nothing for its key: what was
//! served before stays.

use super::keys::{Keys, Place};
use super::proto::{Event, KeyValue};
use crate::virtual_hosts::with_domains;
use prost::Message;
use pushlane::adapters::xds::Resource;
use pushlane::adapters::xds::proto::Any;
use std::collections::BTreeMap;

/// Values that can't be served, and are named with each change.
const NAMED: usize = 50;

/// What one revision changes, or a state that was read anew.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) views: BTreeMap<String, ViewChange>,
    /// What is wrong with values in it.
    pub(crate) faults: Vec<String>,
    /// All that can't be served since, the oldest first: no client has their revisions. Some are
    /// named.
    pub(crate) broken: Vec<String>,
    pub(crate) broken_count: usize,
    pub(crate) broken_since: Option<u64>,
    /// etcd was restored: this is the whole state, and what was known before is void.
    pub(crate) restored: bool,
}

#[derive(Debug, Default)]
pub(crate) struct ViewChange {
    /// The view's revision.
    pub(crate) at: u64,
    pub(crate) puts: Vec<Resource>,
    /// Type URL and name.
    pub(crate) removals: Vec<(String, String)>,
    /// Nothing is left of the view, not even its marker.
    pub(crate) gone: bool,
}

/// The watch has lost something: the state is to be read anew.
#[derive(Debug, PartialEq)]
pub(crate) struct Gap(pub(crate) String);

/// One key, as etcd has it.
#[derive(Debug)]
struct Held {
    mod_revision: i64,
    version: i64,
    place: Option<Place>,
}

#[derive(Debug)]
pub(crate) struct Replay {
    keys: Keys,
    /// All that happened up to here is in the state.
    revision: i64,
    held: BTreeMap<Vec<u8>, Held>,
    /// The newest revision of each view's keys.
    views: BTreeMap<String, i64>,
    /// Keys whose value can't be served, since which revision, and why.
    broken: BTreeMap<Vec<u8>, (i64, String)>,
    /// Resources by the last part of their type.
    counts: BTreeMap<String, usize>,
}

impl Replay {
    pub(crate) fn new(keys: Keys) -> Self {
        let (views, broken, counts) = Default::default();
        Self { keys, revision: 0, held: BTreeMap::new(), views, broken, counts }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// How many resources there are, by the last part of their type.
    pub(crate) fn counts(&self) -> &BTreeMap<String, usize> {
        &self.counts
    }

    /// The whole state, read at a revision.
    pub(crate) fn snapshot(&mut self, kvs: Vec<KeyValue>, revision: i64) -> Change {
        let restored = revision < self.revision;
        if restored {
            *self = Self::new(self.keys.clone());
        }
        let mut change = Change { revision: number(revision), restored, ..Change::default() };
        let mut before = std::mem::take(&mut self.held);
        let old_views = std::mem::take(&mut self.views);
        self.revision = revision;
        for kv in kvs {
            let held = before.remove(&kv.key);
            if held.as_ref().is_some_and(|held| held.mod_revision == kv.mod_revision) {
                if let Some(place) = held.as_ref().and_then(|held| held.place.as_ref()) {
                    let newest = self.views.entry(place.view.clone()).or_default();
                    *newest = kv.mod_revision.max(*newest);
                }
                self.held.extend(held.map(|held| (kv.key, held)));
            } else {
                self.put(kv, &mut change);
            }
        }
        for (key, held) in before {
            self.removed(&key, held, &mut change);
        }
        // A view may be new by its marker alone.
        for (view, at) in &self.views {
            if old_views.get(view) != Some(at) {
                change.views.entry(view.clone()).or_default();
            }
        }
        self.finish(&mut change);
        change
    }

    /// A response's events, in order. Each revision in it is a change. After a gap nothing is taken
    /// until the next snapshot.
    pub(crate) fn events(&mut self, events: Vec<Event>) -> Result<Vec<Change>, Gap> {
        let mut changes: Vec<Change> = Vec::new();
        for event in events {
            let delete = event.kind == Event::DELETE;
            let Some(kv) = event.kv else { continue };
            let (at, open) = (kv.mod_revision, changes.last().map(|change| change.revision));
            if at <= self.revision && open != Some(number(at)) {
                self.duplicate(&kv, delete)?;
                continue;
            }
            self.follows(&kv, delete)?;
            if open != Some(number(at)) {
                self.close(changes.last_mut());
                changes.push(Change { revision: number(at), ..Change::default() });
                self.revision = at;
            }
            let Some(change) = changes.last_mut() else { continue };
            if !delete {
                self.put(kv, change);
            } else if let Some(held) = self.held.remove(&kv.key) {
                if let Some(place) = &held.place {
                    self.views.insert(place.view.clone(), at);
                }
                self.removed(&kv.key, held, change);
            }
        }
        self.close(changes.last_mut());
        Ok(changes)
    }

    fn close(&self, change: Option<&mut Change>) {
        if let Some(change) = change {
            self.finish(change);
        }
    }

    /// An old event is harmless if what it says is known to be past.
    fn duplicate(&self, kv: &KeyValue, delete: bool) -> Result<(), Gap> {
        let held = self.held.get(&kv.key).map_or(0, |held| held.mod_revision);
        let known = held >= kv.mod_revision || (delete && held == 0);
        if known { Ok(()) } else { Err(gap(kv, "came after later ones")) }
    }

    /// Whether nothing is missing between what is known of the key and the event.
    fn follows(&self, kv: &KeyValue, delete: bool) -> Result<(), Gap> {
        let version = self.held.get(&kv.key).map_or(0, |held| held.version);
        let follows = if delete { version > 0 } else { kv.version == version + 1 };
        if follows { Ok(()) } else { Err(gap(kv, "does not follow what is known of the key")) }
    }

    fn put(&mut self, kv: KeyValue, change: &mut Change) {
        let KeyValue { key, mod_revision, version, value } = kv;
        let mut place = None;
        self.broken.remove(&key);
        match self.keys.parse(&key) {
            Ok(parsed) => {
                let view = change.views.entry(parsed.view.clone()).or_default();
                let newest = self.views.entry(parsed.view.clone()).or_default();
                *newest = mod_revision.max(*newest);
                if let Some((type_url, name)) = &parsed.resource {
                    match resource(type_url, name, mod_revision, &value) {
                        Ok(resource) => view.puts.push(resource),
                        Err(why) => self.breaks(&key, mod_revision, &why, change),
                    }
                }
                place = Some(parsed);
            }
            Err(why) => self.breaks(&key, mod_revision, why, change),
        }
        let kind = place.as_ref().and_then(Place::kind).map(str::to_owned);
        if self.held.insert(key, Held { mod_revision, version, place }).is_none()
            && let Some(kind) = kind
        {
            *self.counts.entry(kind).or_default() += 1;
        }
    }

    fn breaks(&mut self, key: &[u8], revision: i64, why: &str, change: &mut Change) {
        let fault = fault(key, revision, why);
        change.faults.push(fault.clone());
        self.broken.insert(key.to_vec(), (revision, fault));
    }

    fn removed(&mut self, key: &[u8], held: Held, change: &mut Change) {
        self.broken.remove(key);
        let Some(place) = held.place else { return };
        if let Some(count) = place.kind().and_then(|kind| self.counts.get_mut(kind)) {
            *count = count.saturating_sub(1);
        }
        let view = change.views.entry(place.view).or_default();
        view.removals.extend(place.resource);
    }

    /// What is to be known of the views that have changed.
    fn finish(&self, change: &mut Change) {
        for (view, change) in &mut change.views {
            change.at = self.views.get(view).copied().map_or(0, number);
            change.gone = self.nothing_of(view);
        }
        let mut broken: Vec<_> = self.broken.values().collect();
        broken.sort_unstable();
        change.broken_since = broken.first().map(|(since, _)| number(*since));
        change.broken_count = broken.len();
        change.broken = broken.into_iter().take(NAMED).map(|(_, fault)| fault.clone()).collect();
    }

    fn nothing_of(&self, view: &str) -> bool {
        let (marker, (begin, end)) = (self.keys.marker(view), self.keys.view(view));
        !self.held.contains_key(&marker) && self.held.range(begin..end).next().is_none()
    }
}

fn gap(kv: &KeyValue, what: &str) -> Gap {
    Gap(fault(&kv.key, kv.mod_revision, what))
}

/// `key "/pushlane/default/…", revision 17: why`.
fn fault(key: &[u8], revision: i64, why: &str) -> String {
    format!("key {:?}, revision {revision}: {why}", String::from_utf8_lossy(key))
}

fn number(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}

fn resource(type_url: &str, name: &str, revision: i64, value: &[u8]) -> Result<Resource, String> {
    let any = Any::decode(value).map_err(|error| format!("expected an Any: {error}"))?;
    if any.type_url != type_url {
        return Err(format!("expected an Any of {type_url:?}, found {:?}", any.type_url));
    }
    Ok(with_domains(Resource::new(type_url, name, revision.to_string(), any.value)))
}

#[cfg(test)]
mod tests;
