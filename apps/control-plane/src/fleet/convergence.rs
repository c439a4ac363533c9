//! Which revision all clients of this replica have.
//!
//! The answer for the fleet is read from all records at once: revision R is everywhere if each
//! record says so. Why that is never early:
//!
//! * A record says R only if every client that R concerned has acknowledged it, on a stream of this
//!   replica.
//! * A client that connects may have anything. It is joining until it has acknowledged all that it
//!   has asked for. The record doesn't say R while a client is joining that connected before R was
//!   served here, nor while one has been joining for a quarter of a lease. A client that has just
//!   connected, when R was served already, is sent R or later with its first response; if it left
//!   another replica before it had acknowledged R, it is still counted there.
//! * A client that leaves before it has acknowledged counts as if it were still here for the time
//!   of a lease. By then it is counted where it has connected anew.
//! * A client that leaves and has acknowledged all may have left before R was served here, and be
//!   on its way when R is everywhere else. So for a quarter of a lease the record doesn't say R.
//! * The record of a replica that dies stays until its lease expires, and so do its clients in it.
//!   A process that is started with the same name has a record of its own. A replica that ends in
//!   good order leaves its record to expire.
//! * When etcd has been restored, its revisions begin lower and say something else. All streams end
//!   then, and the record says of no revision that all have it for the time of a lease: by then
//!   clients are counted where they have connected anew.
//! * A replica admits clients when its record has been written.
//! * A replica that can't renew its lease ends its streams when half of the lease is left: see
//!   `fence`. So its clients stay counted while they connect elsewhere.
//! * A client that has rejected something that is still kept from it has neither that nor anything
//!   later.
//! * Records are compared before they are written: one that is late on the wire replaces no newer
//!   one.
//! * A record may be written later if it says more than the one before. One that takes something
//!   back is written at once.
//!
//! What is not promised: a client that needs longer than a quarter of a lease until it has
//! connected anew and has answered is not counted meanwhile. (If its replica is cut off it has a
//! quarter more, and more than half a lease if the replica has died or ends in good order.) Nor is
//! a client that is new: it is sent R with its first response. A process that is stopped by a
//! signal is like a dead one, although clients are connected to it. Times are differences on each
//! machine's own monotonic clock, so clocks that are set differently don't matter.

use pushlane::adapters::xds::{Ads, ClientStatus, Published, StreamId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Clients that are named in a record.
const NAMED: usize = 10;

/// A change as it was published: one handle for each view.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) revision: u64,
    /// Streams that began later have it in their first response.
    pub(super) at: Instant,
    pub(super) published: Vec<Published>,
    pub(super) broken_since: Option<u64>,
    /// etcd was restored: earlier steps are of another history.
    pub(super) restored: bool,
}

/// What goes into the record.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) clients: u64,
    pub(super) applied: u64,
    pub(super) revision: u64,
    pub(super) joining: u64,
    pub(super) behind: Vec<String>,
    pub(super) behind_count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Joining {
    since: Instant,
    /// Since when it is gone, if it is.
    left: Option<Instant>,
}

/// Clients that had acknowledged all, and then left.
#[derive(Clone, Copy, Debug)]
struct Gone {
    /// When they were last seen.
    after: Instant,
    /// Until when they are waited for.
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Convergence {
    ads: Ads,
    grace: Duration,
    waiting: VecDeque<Step>,
    /// The first so many of them all present clients have answered.
    answered: usize,
    applied: u64,
    acked: u64,
    broken_since: Option<u64>,
    /// Streams that left while they owed an answer, and when that was noticed.
    departed: BTreeMap<StreamId, Instant>,
    /// Streams that have answered all that they first asked for.
    settled: BTreeSet<StreamId>,
    /// Streams that haven't.
    joining: BTreeMap<StreamId, Joining>,
    /// In order.
    gone: VecDeque<Gone>,
    /// At the last look at the clients.
    looked: Instant,
    /// The first step has been answered by all, and waits for clients that come or have left.
    held: bool,
    /// Until then a client counts as joining: streams have ended because etcd was restored.
    restored: Option<Instant>,
    /// The lowest revision that a client has rejected and still lacks.
    rejected: Option<u64>,
    rejections: Vec<String>,
    /// Streams opened, rejections and streams open, at that look.
    counted: (u64, u64, u64),
}

impl Convergence {
    pub(super) fn new(ads: Ads, grace: Duration) -> Self {
        Self {
            ads,
            grace,
            waiting: VecDeque::new(),
            answered: 0,
            applied: 0,
            acked: 0,
            broken_since: None,
            departed: BTreeMap::new(),
            settled: BTreeSet::new(),
            joining: BTreeMap::new(),
            restored: None,
            rejected: None,
            rejections: Vec::new(),
            gone: VecDeque::new(),
            held: false,
            looked: Instant::now(),
            counted: (0, 0, 0),
        }
    }

    pub(super) fn published(&mut self, step: Step) {
        if step.restored {
            *self = Self::new(self.ads.clone(), self.grace);
            self.restored = Some(step.at + self.grace);
        }
        self.applied = step.revision;
        self.broken_since = step.broken_since;
        self.waiting.push_back(step);
    }

    pub(super) async fn look(&mut self, now: Instant) -> Seen {
        self.look_at_clients(now);
        let is_answered = |step: &Step| step.published.iter().all(|it| self.ads.is_answered(it));
        self.answered +=
            self.waiting.iter().skip(self.answered).take_while(|it| is_answered(it)).count();
        // A client that lacks an earlier step mostly lacks this one too. If it were noticed only
        // when its own step is the first, a burst of steps would take the grace once for each.
        if let Some(newest) = self.answered.checked_sub(1) {
            self.has_departed(newest, now).await;
        }
        self.held = false;
        while self.answered > 0 && !self.is_held(now).await {
            self.answered -= 1;
            if let Some(step) = self.waiting.pop_front() {
                self.acked = step.revision;
            }
        }
        self.seen(now)
    }

    /// Whether the first step, which has been answered, has to wait for others than those that are
    /// here.
    async fn is_held(&mut self, now: Instant) -> bool {
        let Some(step) = self.waiting.front() else { return false };
        let joining = self.joining.values().any(|it| it.since <= step.at);
        let gone = self.gone.iter().any(|it| it.after < step.at && now < it.until);
        self.held = joining || gone || self.has_departed(0, now).await;
        self.held
    }

    /// Whether a client has just left without an answer to this step, which has been answered.
    async fn has_departed(&mut self, step: usize, now: Instant) -> bool {
        let Some(step) = self.waiting.get(step) else { return false };
        let mut holds = false;
        for published in &step.published {
            // It has been answered: this returns at once.
            let departed = match self.ads.wait_acked(published).await {
                Ok(acked) => acked.departed,
                Err(rejected) => rejected.departed,
            };
            for departure in departed {
                let since = *self.departed.entry(departure.stream).or_insert(now);
                holds |= now < since + self.grace;
            }
        }
        // The server remembers no more of them.
        while self.departed.len() > self.ads.limits().history {
            self.departed.pop_first();
        }
        holds
    }

    fn look_at_clients(&mut self, now: Instant) {
        let metrics = self.ads.metrics();
        let counted = (metrics.opened, metrics.nacks, metrics.streams);
        let quiet = self.joining.is_empty() && self.rejected.is_none();
        let looked = std::mem::replace(&mut self.looked, now);
        if self.counted == counted && quiet {
            return;
        }
        // First the streams, then what is owed: what a stream asks for in between is seen.
        let clients = self.ads.clients();
        // A stream that has ended may still be among them: then the next look is one, too.
        self.counted = (metrics.opened, metrics.nacks, clients.len() as u64);
        let behind: BTreeSet<_> = self.ads.behind().iter().map(|client| client.stream).collect();
        let open: BTreeSet<_> = clients.iter().map(|client| client.stream).collect();
        let settled = self.settled.len();
        self.settled.retain(|stream| open.contains(stream));
        self.gone.retain(|it| now < it.until);
        if self.settled.len() < settled {
            self.gone.push_back(Gone { after: looked, until: now + self.grace / 4 });
        }
        for client in &clients {
            if self.settled.contains(&client.stream) {
                continue;
            }
            let asked = client.node.is_some() && !client.types.is_empty();
            if asked && !behind.contains(&client.stream) {
                self.joining.remove(&client.stream);
                self.settled.insert(client.stream);
            } else {
                let since = now.checked_sub(client.age).unwrap_or(now);
                let new = Joining { since, left: None };
                self.joining.entry(client.stream).or_insert(new);
            }
        }
        let grace = self.grace;
        self.joining.retain(|stream, it| {
            open.contains(stream) || now < *it.left.get_or_insert(now) + grace
        });
        self.rejections.clear();
        self.rejected = None;
        clients.iter().for_each(|client| self.look_at_rejections(client));
    }

    fn look_at_rejections(&mut self, client: &ClientStatus) {
        for of in &client.types {
            let Some(nack) = &of.nack else { continue };
            self.rejected = Some(self.rejected.map_or(nack.revision, |it| it.min(nack.revision)));
            let node = client.node.as_ref().map_or("", |node| &node.id);
            let (kind, revision) = (of.type_url.short(), nack.revision);
            self.rejections.push(format!("{node} rejects {kind} of {revision}: {}", nack.reason));
        }
    }

    fn seen(&mut self, now: Instant) -> Seen {
        let before = |revision: Option<u64>| revision.map_or(u64::MAX, |it| it.saturating_sub(1));
        let revision = self.acked.min(before(self.rejected)).min(before(self.broken_since));
        let mut behind = self.rejections.clone();
        if let Some(step) = self.waiting.front() {
            let late = step.published.iter().flat_map(|published| self.ads.laggards(published));
            let late: BTreeSet<_> = late.map(|client| (client.node_id, client.stream)).collect();
            behind.extend(late.into_iter().map(|(node, _)| node));
        }
        if self.held {
            behind.push("clients that have just come or left".into());
        }
        self.restored = self.restored.filter(|until| now < *until);
        let behind_count = behind.len() as u64;
        behind.truncate(NAMED);
        let long = self.joining.values().filter(|it| now >= it.since + self.grace / 4);
        let joining = long.count() as u64 + u64::from(self.restored.is_some());
        Seen {
            clients: self.ads.metrics().streams,
            applied: self.applied,
            revision,
            joining,
            behind,
            behind_count,
        }
    }
}

#[cfg(test)]
mod tests;
