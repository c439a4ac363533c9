//! A client's subscription to one type: what it asked for, what it has, and what it is owed. Pure,
//! without I/O.
//!
//! ```text
//!               subscribe                    send                      ACK
//!   (nothing) ───────────► something is due ───────► waits for answer ─────► up to date
//!                             ▲         ▲                │                       │
//!                             │         └────────────────┘ NACK, and more is due │
//!                             └──────────── a resource changes ──────────────────┘
//! ```
//!
//! While a response waits for its answer nothing else is sent for the type; what changes meanwhile
//! merges in the queue. Requests are read by `sotw` and `delta`; everything else is common to both.

mod delivered;
mod delta;
mod held;
mod interest;
mod nonce;
mod sotw;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::prelude::v1::*;

pub(super) use delivered::{Answered, Due, Sent};
pub(super) use interest::{Interest, Moved};
pub(super) use nonce::Nonce;

use self::delivered::Delivered;
use super::change::Change;
use super::kinds::Kind;
use super::proto::Status;
use super::resource::{FRAMING, Name, Resource, TypeUrl};
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
    kind: Kind,
    pub(super) interest: Interest,
    delivered: Delivered,
    /// To be sent although nothing about them has changed.
    asked: BTreeSet<Name>,
    /// A response is due even if there is nothing to put into it.
    answer: bool,
    /// The last response that was really sent.
    nonce: Nonce,
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
    /// It answers a response that is not the last one.
    pub(super) stale: bool,
    /// The outstanding response concerns the client no more: its answer may never come.
    pub(super) abandoned: bool,
    /// Names that the client holds from an earlier stream, and has not asked for.
    pub(super) held: Vec<Name>,
}

/// A response, for either protocol to put into words.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) type_url: TypeUrl,
    pub(super) nonce: Nonce,
    pub(super) revision: u64,
    pub(super) resources: Vec<Resource>,
    /// Asked for by an alias that no resource has.
    pub(super) unresolved: Vec<Name>,
    pub(super) removed: Vec<Name>,
}

impl Reply {
    /// How many bytes it takes, at most.
    pub(super) fn weight(&self) -> usize {
        let resources = self.resources.iter().map(Resource::weight).sum::<usize>();
        let removed = self.removed.iter().map(|name| name.len() + FRAMING).sum::<usize>();
        let unresolved = self.unresolved.iter().map(|name| 2 * (name.len() + FRAMING));
        resources + removed + unresolved.sum::<usize>()
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.type_url() == other.type_url() && self.name() == other.name() && self.same(other)
    }
}

impl Subscription {
    pub(super) fn new(type_url: TypeUrl, variant: Variant, kind: Kind) -> Self {
        Subscription {
            type_url,
            variant,
            kind,
            interest: Interest::default(),
            delivered: Delivered::default(),
            asked: BTreeSet::new(),
            answer: false,
            nonce: Nonce::default(),
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

    /// A resource that the client is to be sent again, although it hasn't changed, or to be told
    /// again that it doesn't exist. False: it is none of the client's.
    pub(super) fn repeat(&mut self, name: &Name) -> bool {
        let named = self.interest.names.contains(name);
        let its = named || self.interest.wildcard && self.delivered.has(name);
        if its {
            self.asked.insert(name.clone());
            self.synced = 0;
        }
        its
    }

    /// What the client has for a limited time is to be sent again. Returns what that is.
    pub(super) fn refresh(&mut self) -> Vec<Name> {
        let limited = self.delivered.sent_here().filter(|one| one.ttl().is_some());
        let names: Vec<_> = limited.map(|one| one.shared_name().clone()).collect();
        self.asked.extend(names.iter().cloned());
        names
    }

    /// Whose endpoints the clusters are that were sent on this stream.
    pub(super) fn endpoints_sent(&self) -> BTreeSet<Name> {
        self.delivered.sent_here().filter_map(|cluster| cluster.endpoints().cloned()).collect()
    }

    /// Once nothing is subscribed to any more, the answer to what is on its way may never come.
    /// True: one was waited for.
    fn abandon(&mut self) -> bool {
        let nothing = !self.interest.wildcard && self.interest.names.is_empty();
        // Nor to what it would be sent now.
        self.answer &= !nothing;
        nothing && self.delivered.abandon()
    }

    /// The answer to the outstanding response, if `nonce` is its.
    fn answer_to(&mut self, nonce: &str, error: Option<&Status>) -> Option<Answered> {
        if self.outstanding().is_none() || !self.nonce.is(nonce) {
            return None;
        }
        if error.is_some() {
            self.synced = 0;
        }
        let answered = self.delivered.answered(error);
        // Nothing is on its way any more.
        if self.delivered.lingering {
            self.delivered.keep_only(|one| self.interest.covers_resource(one));
        }
        answered
    }

    /// What is to be sent now. `hint` bounds where changes are looked for; `None` looks everywhere.
    pub(super) fn due(&self, set: &TypeSet, hint: Option<&Change>) -> Due {
        // A complete set is gone through anyway, and must agree with what is noted as sent.
        let hint = hint.filter(|_| !self.is_complete());
        let keys = hint.and_then(|change| change.keys.keys());
        let mut due = Due { answer: self.answer, ..Due::default() };
        let find = |name: &Name| set.find(name).filter(|one| self.interest.covers_resource(one));
        let mut look = |name: &Name, there: Option<&Resource>, asked: bool| {
            let name = there.map_or(name, Resource::shared_name);
            self.delivered.look(name, there, asked, &mut due);
        };
        for name in &self.asked {
            look(name, find(name), true);
        }
        let mut changed = |name: &Name, there: Option<&Resource>| {
            if !self.asked.contains(name) {
                look(name, there, false);
            }
        };
        if let Some(keys) = keys {
            for key in keys.filter(|key| key.type_url == self.type_url) {
                let there = set.resources.get(&key.name);
                let there = there.filter(|there| self.covers(there));
                if there.is_some() || self.wants(&key.name, set) {
                    changed(&key.name, there.or_else(|| find(&key.name)));
                }
            }
        } else {
            if self.interest.wildcard {
                set.resources.iter().for_each(|(name, there)| changed(name, Some(there)));
            }
            let named = self.interest.names.iter();
            named
                .filter(|name| !(self.interest.wildcard && set.resources.contains_key(*name)))
                .for_each(|name| changed(name, find(name)));
            let lost = self.delivered.names().filter(|name| !set.resources.contains_key(*name));
            let its = |name: &&Name| {
                let one = self.delivered.get(name);
                !self.interest.names.contains(*name)
                    && one.is_some_and(|one| self.interest.covers_resource(one))
            };
            lost.filter(its).for_each(|name| changed(name, find(name)));
        }
        if set.has_aliases() {
            // Known by several names, it is sent once.
            let mut once = BTreeSet::new();
            due.changed.retain(|one| once.insert(one.shared_name().clone()));
        }
        if self.variant == Variant::Sotw {
            self.without_removals(&mut due);
        }
        due
    }

    /// Whether a resource concerns the client. What it has by this name does, unless that is only
    /// on its way; so as a rule the names that it asked for need not be looked at.
    fn covers(&self, resource: &Resource) -> bool {
        let held = self.delivered.get(resource.name()).filter(|_| !self.delivered.lingering);
        held.is_some_and(|held| held.shared_aliases().is_empty())
            || self.interest.covers_resource(resource)
    }

    /// Whether a resource concerns the client, or has concerned it, by whatever name it knows it.
    fn wants(&self, name: &str, set: &TypeSet) -> bool {
        let known = set.resources.get(name).into_iter().chain(self.delivered.get(name));
        self.interest.covers(name)
            || known.into_iter().any(|one| self.interest.covers_resource(one))
    }

    /// What isn't there can't be said, other than by leaving it out of a complete set, or by
    /// something that stands in for it. That is sent only when it is asked for: what the client has
    /// already serves it better.
    fn without_removals(&self, due: &mut Due) {
        let unknown = core::mem::take(&mut due.unknown);
        if !self.kind.stand_in || self.is_complete() {
            return;
        }
        let none = |name: &Name| Resource::stand_in(self.type_url.clone(), name.clone());
        let acceptable = |name: &Name| self.delivered.acceptable(name, &none(name));
        due.stand_ins.extend(unknown.iter().filter_map(acceptable));
        due.gone.retain(|name| {
            let asked = self.asked.contains(name);
            if asked {
                match self.delivered.last(name) {
                    Some(last) => due.changed.push(last),
                    None => due.stand_ins.extend(acceptable(name)),
                }
            }
            !asked
        });
    }

    /// Leaves in `due` what fits into a response of so many bytes, and at least one thing. True:
    /// something is left out. It stays due, and removals are left out first.
    pub(super) fn cut(&self, due: &mut Due, bytes: usize) -> bool {
        if self.is_complete() {
            return false;
        }
        let (mut left, mut first) = (bytes, true);
        let mut fits = |weight: usize| {
            let fits = core::mem::take(&mut first) || weight <= left;
            left = if fits { left.saturating_sub(weight) } else { 0 };
            fits
        };
        let mut cut = false;
        for resources in [&mut due.changed, &mut due.stand_ins] {
            let fit = resources.iter().take_while(|one| !cut && fits(one.weight())).count();
            cut |= fit < resources.len();
            resources.truncate(fit);
        }
        for names in [&mut due.unknown, &mut due.gone] {
            let fits = |name: &&Name| !cut && fits(2 * (name.len() + FRAMING));
            let fit = names.iter().take_while(fits).count();
            cut |= fit < names.len();
            names.truncate(fit);
        }
        cut
    }

    /// Whether the client lacks something: anything new or changed, and anything removed.
    pub(super) fn unsent(&mut self, set: &TypeSet) -> Unsent {
        if self.synced != 0 && self.synced >= set.changed_at {
            return Unsent::default();
        }
        let due = self.due(set, None);
        let unsent = Unsent {
            news: due.has_news(),
            removals: !due.stand_ins.is_empty() || self.tells_removals() && !due.gone.is_empty(),
        };
        if unsent == Unsent::default() {
            self.synced = set.changed_at;
        }
        unsent
    }

    /// It is compared with something else from now on.
    pub(super) fn look_anew(&mut self) {
        self.synced = 0;
    }

    /// Notes that there was nothing to send, after a look with this hint.
    pub(super) fn looked(&mut self, set: &TypeSet, covers: u64) {
        if covers >= set.changed_at {
            self.synced = set.changed_at;
        }
        self.delivered.cover(covers);
    }

    /// Whether a removal can be told at all: not by a state-of-the-world response that is no
    /// complete set.
    pub(super) fn tells_removals(&self) -> bool {
        self.variant == Variant::Delta || self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.variant == Variant::Sotw && self.kind.complete
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

    /// Puts what is due into a response, and takes it for sent. Removals are kept back if `keep`:
    /// then they stay due. So does what was `cut`.
    pub(super) fn compose(
        &mut self,
        set: &TypeSet,
        (revision, covers): (u64, u64),
        mut due: Due,
        (keep, cut): (bool, bool),
        nonce: Nonce,
    ) -> Reply {
        let stand_ins = core::mem::take(&mut due.stand_ins);
        if !keep {
            due.changed.extend(stand_ins);
        }
        let resources = if self.is_complete() {
            self.complete_set(set, &due, keep)
        } else {
            due.changed.clone()
        };
        let (mut removed, mut unresolved) = (Vec::new(), due.unknown.clone());
        if !self.kind.aliased {
            core::mem::swap(&mut removed, &mut unresolved);
        }
        if !keep {
            removed.extend(due.gone.iter().cloned());
        }
        if self.variant == Variant::Sotw {
            removed.clear();
            unresolved.clear();
        }
        self.nonce = nonce;
        if cut || keep {
            let there = due.changed.iter().map(Resource::shared_name);
            let sent: BTreeSet<_> = there.chain(&due.unknown).chain(&due.gone).collect();
            self.asked.retain(|asked| {
                let name = set.find(asked).map_or(asked, Resource::shared_name);
                !sent.contains(name)
            });
        } else {
            self.asked.clear();
        }
        self.answer = false;
        let covers = if cut { 0 } else { covers };
        self.synced = if !keep && covers >= set.changed_at { set.changed_at } else { 0 };
        self.delivered.sent(due, keep, revision, covers);
        Reply { type_url: self.type_url.clone(), nonce, revision, resources, unresolved, removed }
    }

    /// All that the client is to have. For what it has rejected, that is what it had before. What a
    /// client that has come back had before isn't known: to leave out what it rejects might take it
    /// away.
    fn complete_set(&self, set: &TypeSet, due: &Due, keep: bool) -> Vec<Resource> {
        let wanted = set.resources.iter().filter(|(_, there)| self.interest.covers_resource(there));
        let mut all: Vec<_> = wanted
            .filter_map(|(name, there)| {
                let acceptable = self.delivered.acceptable(name, there);
                acceptable.or_else(|| self.delivered.may_have_more.then(|| there.clone()))
            })
            .collect();
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
