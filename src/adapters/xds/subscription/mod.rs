//! A client's subscription to one type: what it asked for, what it has, and what it is owed. Pure, without I/O.
//!
//! ```text
//!               subscribe                    send                      ACK
//!   (nothing) ───────────► something is due ───────► waits for answer ─────► up to date
//!                             ▲         ▲                │                       │
//!                             │         └────────────────┘ NACK, and more is due │
//!                             └──────────── a resource changes ──────────────────┘
//! ```
//!
//! While a response waits for its answer nothing else is sent for the type; what changes meanwhile merges in the
//! queue. Requests are read by `sotw` and `delta`; everything else is common to both.

mod delivered;
mod delta;
mod interest;
mod sotw;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::format;
use std::prelude::v1::*;

use prost::Message;

pub(super) use delivered::{Answered, Due, Sent};
pub(super) use interest::{Interest, Moved};

use self::delivered::Delivered;
use super::change::Change;
use super::proto::{ClusterLoadAssignment, Status};
use super::resource::{Name, Resource, TypeUrl};
use super::view::TypeSet;

/// Which of the two protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// State of the world.
    Sotw,
    /// Incremental.
    Delta,
}

/// A subscription to one type.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) type_url: TypeUrl,
    variant: Variant,
    pub(super) interest: Interest,
    delivered: Delivered,
    /// To be sent although nothing about them has changed.
    asked: BTreeSet<Name>,
    /// A response is due even if there is nothing to put into it.
    answer: bool,
    /// The last response that was really sent; empty before the first.
    nonce: String,
    /// A request for it has been read.
    begun: bool,
    /// State of the world: the wildcard was asked for by `*`, so that an empty list ends it.
    starred: bool,
    /// State of the world: a hash of the list that was sent last. Most answers repeat it.
    list: u64,
    /// The change of the type up to which all was found to be sent; 0 for "look".
    synced: u64,
}

/// What a request came to.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The outstanding response was accepted or rejected by it.
    pub(super) answered: Option<Answered>,
    pub(super) moved: Moved,
    /// The client has to be sent something on account of it.
    pub(super) due: bool,
}

/// A response, for either protocol to put into words.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) type_url: TypeUrl,
    pub(super) nonce: String,
    pub(super) revision: u64,
    pub(super) resources: Vec<Resource>,
    pub(super) removed: Vec<Name>,
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.type_url() == other.type_url() && self.name() == other.name() && self.same(other)
    }
}

impl Subscription {
    pub(super) fn new(type_url: TypeUrl, variant: Variant) -> Self {
        Subscription {
            type_url,
            variant,
            interest: Interest::default(),
            delivered: Delivered::default(),
            asked: BTreeSet::new(),
            answer: false,
            nonce: String::new(),
            begun: false,
            starred: false,
            list: 0,
            synced: 0,
        }
    }

    /// The response that waits for its answer.
    pub(super) fn outstanding(&self) -> Option<&Sent> {
        self.delivered.outstanding()
    }

    /// A resource that the client is to be sent again, although it hasn't changed. False: it doesn't have it.
    pub(super) fn repeat(&mut self, name: &Name) -> bool {
        let has = self.interest.covers(name) && self.delivered.has(name);
        if has {
            self.asked.insert(name.clone());
            self.synced = 0;
        }
        has
    }

    /// Whether such a resource is new in the response that waits for its answer.
    pub(super) fn is_unanswered(&self, such: impl Fn(&Resource) -> bool) -> bool {
        self.outstanding().is_some_and(|sent| sent.news().any(such))
    }

    /// The endpoints that the client has under this name, or none.
    pub(super) fn last_endpoints(&self, name: &Name) -> Resource {
        self.delivered.last(name).unwrap_or_else(|| {
            let none = ClusterLoadAssignment { cluster_name: name.to_string() };
            Resource::hashed(self.type_url.clone(), name.clone(), none.encode_to_vec())
        })
    }

    /// The answer to the outstanding response, if `nonce` is its.
    fn answer_to(&mut self, nonce: &str, error: Option<&Status>) -> Option<Answered> {
        if self.outstanding().is_none_or(|sent| sent.nonce != nonce) {
            return None;
        }
        if error.is_some() {
            self.synced = 0;
        }
        let answered = self.delivered.answered(error);
        // Nothing is on its way any more.
        self.delivered.keep_only(|name| self.interest.covers(name));
        answered
    }

    /// What is to be sent now. `hint` bounds where changes are looked for; `None` looks everywhere.
    pub(super) fn due(&self, set: &TypeSet, hint: Option<&Change>) -> Due {
        // A complete set is gone through anyway, and must agree with what is noted as sent.
        let hint = hint.filter(|_| !self.is_complete());
        let keys = hint.and_then(|change| change.keys.keys());
        let mut due = Due { answer: self.answer, ..Due::default() };
        let mut look = |name: &Name, asked: bool| {
            let there = set.resources.get(name).filter(|_| self.interest.covers(name));
            self.delivered.look(name, there, asked, &mut due);
        };
        for name in &self.asked {
            look(name, true);
        }
        let mut changed = |name: &Name| {
            if !self.asked.contains(name) {
                look(name, false);
            }
        };
        if let Some(keys) = keys {
            for key in keys.filter(|key| key.type_url == self.type_url) {
                if self.interest.covers(&key.name) {
                    changed(&key.name);
                }
            }
        } else {
            if self.interest.wildcard {
                set.resources.keys().for_each(&mut changed);
            }
            let named = self.interest.names.iter();
            named
                .filter(|name| !(self.interest.wildcard && set.resources.contains_key(*name)))
                .for_each(&mut changed);
            let lost = self.delivered.names().filter(|name| !set.resources.contains_key(*name));
            let lost =
                lost.filter(|name| self.interest.wildcard && !self.interest.names.contains(*name));
            lost.for_each(&mut changed);
        }
        if self.variant == Variant::Sotw {
            // What isn't there can't be said, other than by leaving it out of a complete set.
            due.unknown.clear();
        }
        due
    }

    /// Whether the client lacks something: anything new or changed, and anything removed.
    pub(super) fn unsent(&mut self, set: &TypeSet) -> Unsent {
        if self.synced != 0 && self.synced >= set.changed_at {
            return Unsent::default();
        }
        let due = self.due(set, None);
        let unsent = Unsent {
            news: due.has_news(),
            removals: self.tells_removals() && !due.gone.is_empty(),
        };
        if unsent == Unsent::default() {
            self.synced = set.changed_at;
        }
        unsent
    }

    /// Notes that there was nothing to send, after a look with this hint.
    pub(super) fn looked(&mut self, set: &TypeSet, covers: u64) {
        if covers >= set.changed_at {
            self.synced = set.changed_at;
        }
        self.delivered.cover(covers);
    }

    /// Whether a removal can be told at all: not by a state-of-the-world response that is no complete set.
    pub(super) fn tells_removals(&self) -> bool {
        self.variant == Variant::Delta || self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.variant == Variant::Sotw && self.type_url.is_complete_set()
    }

    /// The newest revision of which all that concerns the client has been answered.
    pub(super) fn covered(&self) -> u64 {
        self.delivered.covered
    }

    /// Whether something that the client has rejected is kept from it.
    pub(super) fn is_quarantined(&self) -> bool {
        self.delivered.is_quarantined()
    }

    /// What is gone without being told is forgotten.
    pub(super) fn forget(&mut self, gone: &[Name]) {
        self.delivered.forget(gone);
    }

    /// Puts what is due into a response, and takes it for sent. Removals are kept back if `keep`: then they stay due.
    pub(super) fn compose(
        &mut self,
        set: &TypeSet,
        revision: u64,
        covers: u64,
        due: Due,
        keep: bool,
        nonce: u64,
    ) -> Reply {
        let resources = if self.is_complete() {
            self.complete_set(set, &due, keep)
        } else {
            due.changed.clone()
        };
        let mut removed = due.unknown.clone();
        if !keep {
            removed.extend(due.gone.iter().cloned());
        }
        if self.variant == Variant::Sotw {
            removed.clear();
        }
        self.nonce = format!("{nonce:x}");
        self.asked.clear();
        self.answer = false;
        self.synced = if !keep && covers >= set.changed_at { set.changed_at } else { 0 };
        self.delivered.sent(due, keep, self.nonce.clone(), revision, covers);
        Reply {
            type_url: self.type_url.clone(),
            nonce: self.nonce.clone(),
            revision,
            resources,
            removed,
        }
    }

    /// All that the client is to have. For what it has rejected, that is what it had before.
    fn complete_set(&self, set: &TypeSet, due: &Due, keep: bool) -> Vec<Resource> {
        let wanted = set.resources.iter().filter(|(name, _)| self.interest.covers(name));
        let mut all: Vec<_> =
            wanted.filter_map(|(name, there)| self.delivered.acceptable(name, there)).collect();
        if keep {
            all.extend(due.gone.iter().filter_map(|name| self.delivered.last(name)));
        }
        all
    }
}

/// What a client lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsent {
    pub(super) news: bool,
    pub(super) removals: bool,
}
