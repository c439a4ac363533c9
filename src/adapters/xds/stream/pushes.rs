//! What a client is sent, and when.

use std::vec::Vec;

use ::tokio::time::Instant;

use super::Stream;
use super::entry::{Entry, Push};
use crate::adapters::xds::change::Change;
use crate::adapters::xds::event::Event;
use crate::adapters::xds::order::{self, Standing};
use crate::adapters::xds::resource::{Name, TypeUrl};
use crate::adapters::xds::state::PushLease;
use crate::adapters::xds::subscription::{Due, Nonce};
use crate::adapters::xds::view::Snapshot;
use crate::backlog::ChangeSet;

impl Stream {
    /// The queue says that it is a type's turn.
    pub(super) fn granted(&mut self, lease: PushLease) {
        // A lease of a type whose last push is in progress there can't be.
        if let Some(entry) = self.types.iter_mut().find(|entry| entry.key == lease.key()) {
            entry.push = Push::Held { lease, since: None };
        }
    }

    /// Sends whatever can be sent now, in order.
    pub(super) fn pump(&mut self) {
        // Before the snapshot is read: what changes later is told.
        if let Some(changed) = &mut self.changed {
            changed.mark_unchanged();
        }
        if self.shared.is_behind() {
            for entry in &mut self.types {
                if let Push::Held { lease, .. } = &mut entry.push {
                    lease.release_permit();
                }
            }
            return;
        }
        // Each round ends at least one push that is held.
        while self.types.iter().any(Entry::is_held) {
            self.compute();
            let Some(snapshot) = self.view.as_ref().and_then(|view| view.snapshot()) else {
                return self.nothing_to_serve();
            };
            let now = Instant::now();
            let advanced = (0..self.types.len()).any(|at| self.advance(at, &snapshot, now));
            if !advanced {
                return;
            }
        }
    }

    /// Has computed what this stream is to be sent, of all types: which of them is first depends on
    /// what changed.
    fn compute(&self) {
        let (Some(compute), Some(view)) = (&self.server.compute, &self.view) else { return };
        let Some(node) = self.info.node.get() else { return };
        for entry in &self.types {
            let none = ChangeSet::nothing();
            let changes = match &entry.push {
                Push::Held { lease, .. } => &lease.request().keys,
                _ => &none,
            };
            let what = (&entry.subscription.type_url, &entry.subscription.interest);
            view.cache.fill((&self.server.store, view, &**compute), node, what, changes);
        }
    }

    /// The view has never been set. When it is, everybody is told.
    fn nothing_to_serve(&mut self) {
        for entry in &mut self.types {
            if entry.is_held()
                && let Push::Held { lease, .. } = core::mem::replace(&mut entry.push, Push::None)
            {
                lease.complete();
            }
        }
    }

    /// Goes on with the push that a type holds. True: it holds it no more.
    fn advance(&mut self, at: usize, snapshot: &Snapshot, now: Instant) -> bool {
        let entry = &self.types[at];
        let Push::Held { lease, since } = &entry.push else { return false };
        let set = snapshot.of_type(&entry.subscription.type_url);
        // Later changes than those of the lease may count by the time it has waited.
        let hint = Some(&**lease.request())
            .filter(|change| since.is_none() && !change.keys.is_everything());
        let covers = hint.map_or(snapshot.revision, |change: &Change| change.revision);
        let mut due = entry.subscription.due(set, hint);
        let impatient = since.is_some_and(|since| now >= since + self.server.limits.order_patience);
        if !self.types[at].subscription.tells_removals() {
            let gone = core::mem::take(&mut due.gone);
            self.types[at].subscription.forget(&gone);
        }
        let cut = self.types[at].subscription.cut(&mut due, self.server.limits.response_bytes);
        let (news, removals) = (due.has_news(), due.has_removals());
        if !news && !removals {
            return self.nothing(at, snapshot, covers);
        }
        let others = if impatient { Vec::new() } else { self.standings(at, snapshot) };
        let rank = self.types[at].rank;
        let by_name = !impatient && !self.types[at].subscription.interest.wildcard;
        let keep = removals
            && if due.gone.is_empty() {
                order::stand_ins_wait(rank, &others)
            } else {
                order::removals_wait(rank, by_name, &others)
            };
        if (news && order::news_wait(rank, &others)) || (!news && keep) {
            if let Push::Held { lease, since } = &mut self.types[at].push
                && since.is_none()
            {
                *since = Some(now);
                self.sooner = true;
                lease.release_permit();
                self.server.counters.deferred.one();
            }
            return false;
        }
        self.send(at, snapshot, covers, due, (keep, cut), now);
        true
    }

    fn standings(&mut self, but: usize, snapshot: &Snapshot) -> Vec<Standing> {
        let others = self.types.iter_mut().enumerate().filter(|(at, _)| *at != but);
        let standing = others.map(|(_, entry)| {
            let set = snapshot.of_type(&entry.subscription.type_url);
            Standing {
                rank: entry.rank,
                by_name: !entry.subscription.interest.wildcard,
                unsent: entry.subscription.unsent(set),
                unanswered: matches!(entry.push, Push::Sent { .. }),
            }
        });
        standing.collect()
    }

    fn nothing(&mut self, at: usize, snapshot: &Snapshot, covers: u64) -> bool {
        let entry = &mut self.types[at];
        let set = snapshot.of_type(&entry.subscription.type_url);
        entry.subscription.looked(set, covers);
        self.server.counters.nothing.one();
        if let Push::Held { lease, .. } = core::mem::replace(&mut entry.push, Push::None) {
            lease.complete();
        }
        true
    }

    fn send(
        &mut self,
        at: usize,
        snapshot: &Snapshot,
        covers: u64,
        due: Due,
        (keep, cut): (bool, bool),
        now: Instant,
    ) {
        let rewarmed: Vec<Name> =
            due.changed.iter().filter_map(|resource| resource.endpoints().cloned()).collect();
        self.nonces += 1;
        let entry = &mut self.types[at];
        let set = snapshot.of_type(&entry.subscription.type_url);
        let (revisions, nonce) = ((snapshot.revision, covers), Nonce(self.nonces));
        let reply = entry.subscription.compose(set, revisions, due, (keep, cut), nonce);
        self.server.counters.pushes.one();
        entry.sent(&reply.resources, now);
        let bytes = reply.weight();
        if bytes > self.server.limits.response_bytes {
            self.server.counters.oversized.one();
            let (stream, node_id) = (self.info.id, self.info.node_id());
            let type_url = reply.type_url.clone();
            self.server.tell(Event::Oversized { stream, node_id, type_url, bytes });
        }
        self.server.counters.resources.add(reply.resources.len() as u64);
        self.info.note(&entry.subscription.type_url, |progress| {
            progress.sent = Some((snapshot.revision, now));
            progress.answered = false;
        });
        self.out.send(reply, now);
        self.sooner = true;
        if let Push::Held { mut lease, .. } = core::mem::replace(&mut entry.push, Push::None) {
            lease.release_permit();
            entry.push = Push::Sent { lease, at: now, incomplete: keep || cut };
        }
        self.rewarm(&rewarmed);
    }

    /// A client warms a changed cluster only when it is sent its endpoints once more, changed or
    /// not; until then it doesn't acknowledge the cluster.
    fn rewarm(&mut self, names: &[Name]) {
        let endpoints = |entry: &&mut Entry| *entry.subscription.type_url == *TypeUrl::ENDPOINTS;
        let Some(entry) = self.types.iter_mut().find(endpoints) else { return };
        let repeated: Vec<_> =
            names.iter().filter(|name| entry.subscription.repeat(name)).cloned().collect();
        if !repeated.is_empty() {
            entry.ask(&self.server, repeated);
        }
    }

    /// A client that comes back says which endpoints it holds. Of clusters that it has been sent
    /// already it needs them once more.
    pub(super) fn rewarm_held(&mut self, at: usize, held: Vec<Name>) {
        let clusters = |entry: &&Entry| *entry.subscription.type_url == *TypeUrl::CLUSTER;
        if *self.types[at].subscription.type_url != *TypeUrl::ENDPOINTS {
            return;
        }
        let Some(clusters) = self.types.iter().find(clusters) else { return };
        let sent = clusters.subscription.endpoints_sent();
        let needed: Vec<_> = held.into_iter().filter(|name| sent.contains(name)).collect();
        self.rewarm(&needed);
    }
}
