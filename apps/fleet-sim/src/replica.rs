//! One replica: the real queue, two cores, and clients that answer after their round trip.
//!
//! As in the server, a push holds a permit while it is prepared, and its client's place until the
//! client has acknowledged. Beside the queue an oracle counts who still lacks each change: the
//! queue's answer must never be early, and must be there when nobody lacks it.

use crate::fleet::Move;
use crate::histogram::Histogram;
use crate::setting::{SECOND, Setting};
use pushlane::backlog::{Merge, Shared};
use pushlane::{ClientKey, Config, Lane, Lease, PushQueue, Target, Topic, Version};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// A change, as the replica publishes it. Groups of clients have changes of their own; group
/// `None` is everyone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish {
    /// When it was written to etcd.
    pub(crate) at: u64,
    pub(crate) group: Option<usize>,
}

/// What happens to a replica.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) number: usize,
    pub(crate) groups: usize,
    pub(crate) publishes: &'a [Publish],
    /// Clients at the beginning.
    pub(crate) first: Range<u32>,
    pub(crate) moves: &'a [Move],
    /// When the run ends, even if there is still something to do.
    pub(crate) end: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// By change, when all clients concerned had it. `None`: not before the end.
    pub(crate) converged: Vec<Option<u64>>,
    /// From the write of a change to each acknowledgement of it.
    pub(crate) delivered: Histogram,
    /// From a new stream's admission to the acknowledgement of its first response.
    pub(crate) welcomed: Histogram,
    /// First responses that were acknowledged, by second.
    pub(crate) welcomes: Vec<u64>,
    pub(crate) responses: u64,
    pub(crate) busy: u64,
    pub(crate) end: u64,
}

/// Which changes a push has to contain: up to the newest of the client's group.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Newest(u32);

impl Merge for Newest {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }
}

type Queue = PushQueue<Shared<Newest>>;

struct Client<'q> {
    key: ClientKey,
    group: usize,
    round_trip: u64,
    /// How many of its group's changes it has.
    held: u32,
    /// When it came, until its first response is acknowledged.
    came: Option<u64>,
    lease: Option<Lease<&'q Queue>>,
}

/// A change that somebody lacks.
struct Open {
    version: Version,
    missing: u32,
    written: u64,
}

struct Run<'q> {
    queue: &'q Queue,
    setting: &'q Setting,
    now: u64,
    /// By place.
    clients: Vec<Option<Client<'q>>>,
    keys: HashMap<u32, ClientKey>,
    /// The client that each core prepares a push for, and until when.
    cores: Vec<Option<(u64, ClientKey)>>,
    answers: BinaryHeap<Reverse<(u64, usize, u32)>>,
    /// By group, the numbers of its changes.
    changes: Vec<Vec<usize>>,
    members: Vec<u32>,
    /// By change.
    open: Vec<Option<Open>>,
    outcome: Outcome,
}

/// Runs the script. Panics if the queue's answers differ from the oracle's.
pub(crate) fn run(setting: &Setting, script: &Script<'_>) -> Outcome {
    let places = setting.limit.max(script.first.len());
    let config = Config::new(places).permits(100).topics(script.groups);
    let queue = Queue::new(config);
    let mut run = Run {
        queue: &queue,
        setting,
        now: 0,
        clients: (0..queue.capacity()).map(|_| None).collect(),
        keys: HashMap::new(),
        cores: vec![None; setting.cores],
        answers: BinaryHeap::new(),
        changes: vec![Vec::new(); script.groups],
        members: vec![0; script.groups],
        open: Vec::new(),
        outcome: Outcome::default(),
    };
    script.first.clone().for_each(|client| run.enter(client, false));
    let mut publishes: VecDeque<_> = script
        .publishes
        .iter()
        .enumerate()
        .map(|(at, publish)| (publish.at + setting.watch_delay(script.number, at), *publish))
        .collect();
    // etcd keeps the order.
    for at in 1..publishes.len() {
        publishes[at].0 = publishes[at].0.max(publishes[at - 1].0);
    }
    let mut moves = script.moves.iter().peekable();
    loop {
        run.prepare();
        let prepared = run.cores.iter().flatten().map(|(until, _)| *until).min();
        let answered = run.answers.peek().map(|Reverse((at, ..))| *at);
        let moved = moves.peek().map(|it| it.at());
        let published = publishes.front().map(|(at, _)| *at);
        let Some(next) = [prepared, answered, moved, published].into_iter().flatten().min() else {
            break;
        };
        if next > script.end {
            break;
        }
        run.now = next;
        if published == Some(next) {
            let publish = publishes.pop_front().expect("it was there").1;
            run.publish(publish);
        } else if moved == Some(next) {
            let it = moves.next().expect("it was there");
            if it.enters() { run.enter(it.client(), true) } else { run.leave(it.client()) }
        } else if answered == Some(next) {
            run.answered();
        } else {
            run.prepared();
        }
    }
    run.outcome.end = run.now;
    run.outcome
}

impl Run<'_> {
    fn enter(&mut self, number: u32, new: bool) {
        let group = number as usize % self.changes.len();
        let known = self.changes[group].len() as u32;
        let registered = if new {
            self.queue.register_with(Lane::Normal, Arc::new(Newest(known)))
        } else {
            self.queue.register()
        };
        let key = registered.expect("fewer streams than places");
        if self.changes.len() > 1 {
            self.queue.subscribe(key, Topic(group as u32)).expect("a topic of the queue");
        }
        let came = new.then_some(self.now);
        // A newcomer owes its first response, not the changes before it.
        let round_trip = self.setting.round_trip(number);
        let client = Client { key, group, round_trip, held: known, came, lease: None };
        self.clients[key.index()] = Some(client);
        self.keys.insert(number, key);
        self.members[group] += 1;
    }

    fn leave(&mut self, number: u32) {
        let Some(key) = self.keys.remove(&number) else { return };
        let Some(client) = self.clients[key.index()].take() else { return };
        self.queue.unregister(key).expect("it was registered");
        drop(client.lease);
        self.members[client.group] -= 1;
        self.settle(client.group, client.held, self.changes[client.group].len() as u32, None);
    }

    fn publish(&mut self, Publish { at, group }: Publish) {
        let change = self.outcome.converged.len();
        let of = group.unwrap_or(0);
        self.changes[of].push(change);
        let newest = Arc::new(Newest(self.changes[of].len() as u32));
        let target = match group {
            Some(group) => Target::Topic(Topic(group as u32)),
            None => Target::Everyone,
        };
        let version = self.queue.publish(target, Lane::Normal, newest).expect("it is open");
        let missing = self.members[of];
        self.outcome.converged.push((missing == 0).then_some(self.now));
        assert_eq!(self.queue.is_converged(version), missing == 0, "of change {change}");
        self.open.push((missing > 0).then_some(Open { version, missing, written: at }));
    }

    /// Cores that are free begin what is next.
    fn prepare(&mut self) {
        for core in 0..self.cores.len() {
            if self.cores[core].is_some() {
                continue;
            }
            let Some(lease) = self.queue.try_lease() else { return };
            let key = lease.key();
            let client = self.clients[key.index()].as_mut().expect("only clients are leased");
            client.lease = Some(lease);
            self.cores[core] = Some((self.now + self.setting.response, key));
            self.outcome.busy += self.setting.response;
        }
    }

    /// A response is on its way.
    fn prepared(&mut self) {
        let due = |core: &&mut Option<(u64, ClientKey)>| core.is_some_and(|it| it.0 == self.now);
        let Some(core) = self.cores.iter_mut().find(due) else { return };
        let Some((_, key)) = core.take() else { return };
        let Some(client) = self.clients[key.index()].as_mut().filter(|it| it.key == key) else {
            return;
        };
        if let Some(lease) = &mut client.lease {
            lease.release_permit();
        }
        self.outcome.responses += 1;
        let back = self.now + client.round_trip;
        self.answers.push(Reverse((back, key.index(), key.generation())));
    }

    fn answered(&mut self) {
        let Some(Reverse((_, place, generation))) = self.answers.pop() else { return };
        let of = |client: &&mut Client<'_>| client.key.generation() == generation;
        let Some(client) = self.clients[place].as_mut().filter(of) else { return };
        let Some(lease) = client.lease.take() else { return };
        let newest = lease.request().0;
        lease.complete();
        let (group, held) = (client.group, client.held);
        client.held = newest.max(held);
        if let Some(came) = client.came.take() {
            self.outcome.welcomed.add(self.now - came);
            let second = (self.now / SECOND) as usize;
            if self.outcome.welcomes.len() <= second {
                self.outcome.welcomes.resize(second + 1, 0);
            }
            self.outcome.welcomes[second] += 1;
        }
        self.settle(group, held, newest, Some(self.now));
    }

    /// A client lacks these changes no more: it has them, or has left.
    fn settle(&mut self, group: usize, from: u32, to: u32, delivered: Option<u64>) {
        for at in from..to {
            let change = self.changes[group][at as usize];
            let Some(open) = &mut self.open[change] else { continue };
            if let Some(now) = delivered {
                self.outcome.delivered.add(now - open.written);
            }
            open.missing -= 1;
            match open.missing {
                0 => {
                    assert!(self.queue.is_converged(open.version), "change {change} is late");
                    self.outcome.converged[change] = Some(self.now);
                    self.open[change] = None;
                }
                // Now and then: each look takes a pass over the clients before the first laggard.
                left if left % 1_024 == 1 => {
                    assert!(!self.queue.is_converged(open.version), "change {change} is early");
                }
                _ => {}
            }
        }
    }
}
