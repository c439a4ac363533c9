//! The queue in its simplest form: one thread, maps and sets.
//!
//! It is told what happened, and says what must be true afterwards. Where the queue has a choice
//! (which of the ready clients comes next), the reference bounds it.

use std::collections::{BTreeMap, HashMap, HashSet};

use pushlane::{ClientKey, Lane, PublishErrorKind, SubscribeError, Topic};

use super::kinds::{Change, Owed, merge};

/// How many topics a version remembers, by the documentation of `is_converged`.
const REMEMBERED: usize = 4;

/// Counts operations: tells what came before what.
type Moment = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Everyone,
    One(ClientKey),
    /// Those of them that are registered.
    Each(Vec<ClientKey>),
    Topics {
        any: Vec<Topic>,
        and: Option<Vec<Topic>>,
    },
    /// Those that owed something when a barrier was made.
    Busy,
}

#[derive(Debug, Default)]
struct Client {
    since: Moment,
    /// Pending in the urgent, in the normal lane.
    pending: [bool; 2],
    owed: Owed,
    subscribed: HashSet<Topic>,
    /// What it has left and can still be reached through, and when it left it.
    left: Vec<(Topic, Moment)>,
    /// When the latest of the pushes began that it has completed.
    completed: Moment,
    /// A push that began after it left a topic completed while more was pending already.
    settling: bool,
    /// For each lane in which it can be served: which clients were served through it since.
    overtaken: [Option<HashMap<ClientKey, u32>>; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) content: Owed,
    pub(crate) lane: Lane,
    pub(crate) permit: bool,
    began: Moment,
}

#[derive(Debug)]
struct Published {
    at: Moment,
    whom: Whom,
    /// The clients that have not completed it yet.
    owing: HashSet<ClientKey>,
    /// Of a barrier: the clients that need another push than the one in progress.
    pending: HashSet<ClientKey>,
}

#[derive(Debug)]
pub(crate) struct Reference {
    /// How often one client may be leased in a lane while another waits in it.
    overtakes: u32,
    pub(crate) capacity: usize,
    pub(crate) topics: u32,
    pub(crate) limit: usize,
    pub(crate) held: usize,
    pub(crate) closed: bool,
    urgent_ratio: usize,
    urgent_in_a_row: usize,
    now: Moment,
    clients: HashMap<ClientKey, Client>,
    /// Pushes in progress, also those to clients that have left.
    pushes: HashMap<ClientKey, Push>,
    published: Vec<Published>,
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Urgent => 0,
        Lane::Normal => 1,
    }
}

impl Client {
    fn is_reached_through(&self, topics: &[Topic]) -> bool {
        topics.iter().any(|topic| {
            self.subscribed.contains(topic) || self.left.iter().any(|(left, _)| left == topic)
        })
    }
}

impl Reference {
    pub(crate) fn new(
        capacity: usize,
        topics: u32,
        limit: usize,
        urgent_ratio: usize,
        overtakes: u32,
    ) -> Self {
        Reference {
            overtakes,
            capacity,
            topics,
            limit,
            held: 0,
            closed: false,
            urgent_ratio,
            urgent_in_a_row: 0,
            now: 0,
            clients: HashMap::new(),
            pushes: HashMap::new(),
            published: Vec::new(),
        }
    }

    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    pub(crate) fn is_registered(&self, key: ClientKey) -> bool {
        self.clients.contains_key(&key)
    }

    /// Places taken by registered clients, and by clients that left during a push.
    pub(crate) fn places(&self) -> usize {
        let leaving = self.pushes.keys().filter(|key| !self.is_registered(**key)).count();
        self.clients.len() + leaving
    }

    pub(crate) fn holds_place(&self, place: usize) -> bool {
        self.clients.keys().chain(self.pushes.keys()).any(|key| key.index() == place)
    }

    pub(crate) fn register(&mut self, key: ClientKey, first: Option<(Lane, Change)>) {
        let now = self.tick();
        let mut client = Client { since: now, completed: now, ..Client::default() };
        if let Some((lane, change)) = first {
            client.pending[index(lane)] = true;
            merge(&mut client.owed, change);
        }
        self.clients.insert(key, client);
        self.watch_the_wait(key);
    }

    pub(crate) fn unregister(&mut self, key: ClientKey) -> bool {
        self.tick();
        for version in &mut self.published {
            version.owing.remove(&key);
        }
        self.clients.remove(&key).is_some()
    }

    pub(crate) fn subscribe(&mut self, key: ClientKey, topic: Topic) -> Result<(), SubscribeError> {
        self.tick();
        let client = self.clients.get_mut(&key).ok_or(SubscribeError::Stale)?;
        if topic.0 >= self.topics {
            return Err(SubscribeError::UnknownTopic(topic));
        }
        client.subscribed.insert(topic);
        Ok(())
    }

    pub(crate) fn unsubscribe(
        &mut self,
        key: ClientKey,
        topic: Topic,
    ) -> Result<(), SubscribeError> {
        let now = self.tick();
        let client = self.clients.get_mut(&key).ok_or(SubscribeError::Stale)?;
        if topic.0 >= self.topics {
            return Err(SubscribeError::UnknownTopic(topic));
        }
        if client.subscribed.remove(&topic) {
            client.left.push((topic, now));
        }
        Ok(())
    }

    pub(crate) fn publish(
        &mut self,
        whom: Whom,
        lane: Lane,
        change: Change,
    ) -> Result<(), PublishErrorKind> {
        let at = self.tick();
        if self.closed {
            return Err(PublishErrorKind::Closed);
        }
        let owing: HashSet<ClientKey> = match &whom {
            Whom::Everyone => self.clients.keys().copied().collect(),
            Whom::One(key) if self.is_registered(*key) => [*key].into(),
            Whom::One(_) => return Err(PublishErrorKind::Stale),
            Whom::Each(keys) => {
                keys.iter().copied().filter(|key| self.is_registered(*key)).collect()
            }
            Whom::Busy => return Ok(()),
            Whom::Topics { any, and } => {
                let named = any.iter().chain(and.iter().flatten());
                if let Some(unknown) = named.copied().find(|topic| topic.0 >= self.topics) {
                    return Err(PublishErrorKind::UnknownTopic(unknown));
                }
                let concerns = |client: &Client| {
                    client.is_reached_through(any)
                        && and.as_ref().is_none_or(|and| client.is_reached_through(and))
                };
                let concerned = self.clients.iter().filter(|(_, client)| concerns(client));
                concerned.map(|(key, _)| *key).collect()
            }
        };
        for key in &owing {
            let client = self.clients.get_mut(key).unwrap();
            client.pending[index(lane)] = true;
            merge(&mut client.owed, change);
            self.watch_the_wait(*key);
        }
        self.published.push(Published { at, whom, owing, pending: HashSet::new() });
        Ok(())
    }

    pub(crate) fn barrier(&mut self) {
        let at = self.tick();
        let owing = self.registered().into_iter().filter(|key| self.is_busy(*key)).collect();
        let pending = self.clients.iter().filter(|(_, client)| client.pending != [false; 2]);
        let pending = pending.map(|(key, _)| *key).collect();
        self.published.push(Published { at, whom: Whom::Busy, owing, pending });
    }

    /// The clients that can be leased through the lane, permits aside.
    fn ready(&self, lane: Lane) -> HashSet<ClientKey> {
        let pending = self.clients.iter().filter(|(_, client)| client.pending[index(lane)]);
        pending.map(|(key, _)| *key).filter(|key| !self.pushes.contains_key(key)).collect()
    }

    /// The lane to be served next, and the clients that wait there. `None`: there is nothing to
    /// lease.
    pub(crate) fn next(&self) -> Option<(Lane, HashSet<ClientKey>)> {
        if self.held >= self.limit {
            return None;
        }
        let lanes = if self.urgent_in_a_row < self.urgent_ratio {
            [Lane::Urgent, Lane::Normal]
        } else {
            [Lane::Normal, Lane::Urgent]
        };
        lanes.map(|lane| (lane, self.ready(lane))).into_iter().find(|(_, ready)| !ready.is_empty())
    }

    /// `key` was leased through `lane`. An error names a client that it overtook once too often.
    pub(crate) fn begin(&mut self, key: ClientKey, lane: Lane) -> Result<&Push, ClientKey> {
        let began = self.tick();
        self.held += 1;
        self.urgent_in_a_row = match lane {
            Lane::Urgent => self.urgent_in_a_row + 1,
            Lane::Normal => 0,
        };
        let client = self.clients.get_mut(&key).unwrap();
        let [urgent, _] = std::mem::take(&mut client.pending);
        let content = std::mem::take(&mut client.owed);
        let most_urgent = if urgent { Lane::Urgent } else { Lane::Normal };
        self.pushes.insert(key, Push { content, lane: most_urgent, permit: true, began });
        self.watch_the_wait(key);
        for (waiting, client) in &mut self.clients {
            if let Some(overtaken) = &mut client.overtaken[index(lane)] {
                let times = overtaken.entry(key).or_default();
                *times += 1;
                if *times > self.overtakes {
                    return Err(*waiting);
                }
            }
        }
        Ok(&self.pushes[&key])
    }

    pub(crate) fn release_permit(&mut self, key: ClientKey) -> bool {
        let held = std::mem::take(&mut self.pushes.get_mut(&key).unwrap().permit);
        self.held -= usize::from(held);
        held
    }

    /// The push's permit was taken out of the lease.
    pub(crate) fn take_permit(&mut self, key: ClientKey) -> bool {
        std::mem::take(&mut self.pushes.get_mut(&key).unwrap().permit)
    }

    pub(crate) fn complete(&mut self, key: ClientKey) {
        self.tick();
        self.release_permit(key);
        let push = self.pushes.remove(&key).unwrap();
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        client.completed = push.began;
        let before = client.left.len();
        client.left.retain(|(_, left_at)| *left_at > push.began);
        client.settling = client.left.len() < before && client.pending != [false; 2];
        for version in &mut self.published {
            let is_done = version.whom == Whom::Busy && !version.pending.contains(&key);
            if version.at < push.began || is_done {
                version.owing.remove(&key);
            }
        }
        self.watch_the_wait(key);
    }

    pub(crate) fn requeue(&mut self, key: ClientKey) {
        self.tick();
        self.release_permit(key);
        let push = self.pushes.remove(&key).unwrap();
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        client.pending[index(push.lane)] = true;
        self.published.iter_mut().for_each(|version| {
            version.pending.insert(key);
        });
        for (change, times) in push.content {
            *client.owed.entry(change).or_default() += times;
        }
        self.watch_the_wait(key);
    }

    pub(crate) fn push(&self, key: ClientKey) -> &Push {
        &self.pushes[&key]
    }

    pub(crate) fn is_superseded(&self, key: ClientKey) -> bool {
        self.clients.get(&key).is_some_and(|client| client.pending != [false; 2])
    }

    fn is_busy(&self, key: ClientKey) -> bool {
        self.pushes.contains_key(&key) || self.clients[&key].pending != [false; 2]
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.closed && !self.clients.keys().any(|key| self.is_busy(*key))
    }

    /// The clients that must hold the version back, by its place in the order of versions.
    pub(crate) fn owing(&self, version: usize) -> &HashSet<ClientKey> {
        &self.published[version].owing
    }

    /// How many clients the version had just published concerns; of topics it may be more.
    pub(crate) fn recipients(&self, version: usize) -> Option<usize> {
        let Published { whom, owing, .. } = &self.published[version];
        match whom {
            Whom::Everyone | Whom::One(_) | Whom::Each(_) => Some(owing.len()),
            Whom::Busy => Some(self.clients.len()),
            Whom::Topics { .. } => None,
        }
    }

    /// Whether the documentation lets a client hold a version back that it doesn't owe.
    pub(crate) fn may_be_late(&self, version: usize, key: ClientKey) -> bool {
        let Published { at, whom, .. } = &self.published[version];
        let Some(client) = self.clients.get(&key) else {
            return false;
        };
        let has_completed = client.completed > *at || client.since > *at;
        let Whom::Topics { any, and } = whom else {
            return *whom == Whom::Busy && self.is_busy(key) && !has_completed;
        };
        let reached = |topics: &[Topic]| client.settling || client.is_reached_through(topics);
        let in_scope = match and {
            _ if any.len() > REMEMBERED => true,
            Some(and) if any.len() + and.len() <= REMEMBERED => reached(any) && reached(and),
            _ => reached(any),
        };
        self.is_busy(key) && !has_completed && in_scope
    }

    /// Starts to count what overtakes a client when it begins to wait, and stops when it is served.
    fn watch_the_wait(&mut self, key: ClientKey) {
        let in_progress = self.pushes.contains_key(&key);
        let client = self.clients.get_mut(&key).unwrap();
        for (pending, overtaken) in client.pending.iter().zip(&mut client.overtaken) {
            if *pending && !in_progress {
                overtaken.get_or_insert_default();
            } else {
                *overtaken = None;
            }
        }
    }

    pub(crate) fn registered(&self) -> Vec<ClientKey> {
        let ordered: BTreeMap<_, _> = self.clients.keys().map(|key| (key.index(), *key)).collect();
        ordered.into_values().collect()
    }
}
