//! pushlane itself, used as an author of a control plane would.
//!
//! Namespaces and kinds are topics, so that only those whom a request may concern are queued at all. Endpoint
//! changes take the urgent lane. Of a leased request only what concerns the client counts: if nothing does, the
//! lease completes without a push. The permit is held while the push is prepared and comes back before the send.
//! A client that connects registers with a request for everything, and gets it in its turn.

use super::Design;
use crate::clock::ClientId;
use crate::history::{History, Key};
use crate::population::Client;
use crate::request::Request;
use crate::world::{Notice, Push, World};
use pushlane::backlog::{Merge, Shared};
use pushlane::{ClientKey, Config, Lane, Lease, PushQueue, Scope, Target, Topic};
use std::sync::Arc;

type Queue = PushQueue<Shared<Request>>;

impl Merge for Request {
    fn merge(&mut self, other: &Self) {
        self.merge_from(other);
    }
}

pub(super) struct Scoped<'a> {
    queue: Arc<Queue>,
    history: &'a History,
    clients: Vec<Slot>,
    /// Whose place in the queue it is, by the index of the key.
    owners: Vec<ClientId>,
    /// Who holds a permit.
    preparing: Vec<ClientId>,
    pending: usize,
}

#[derive(Default)]
struct Slot {
    key: Option<ClientKey>,
    lease: Option<Lease<Arc<Queue>>>,
    /// A request waits for it. What the queue knows too, but has no reason to tell.
    pending: bool,
}

/// What of a request concerns a client.
#[derive(PartialEq)]
enum Part {
    Nothing,
    EndpointsOnly,
    Configuration,
}

impl<'a> Scoped<'a> {
    pub(super) fn new(limit: u32, world: &World<'a>) -> Self {
        let (history, clients) = (world.history, world.clients());
        let topics = history.namespaces.len() + history.kinds.len();
        let config = Config::new(clients).topics(topics).permits(limit as usize);
        let mut design = Self {
            queue: Arc::new(Queue::new(config)),
            history,
            clients: (0..clients).map(|_| Slot::default()).collect(),
            owners: vec![0; clients],
            preparing: Vec::new(),
            pending: 0,
        };
        for client in 0..clients as ClientId {
            let key = design.queue.register().expect("there is a place for everyone");
            design.settle(client, key, &world.population.clients[client as usize]);
        }
        design
    }

    fn settle(&mut self, client: ClientId, key: ClientKey, scope: &Client) {
        let namespaces = scope.namespaces.iter().map(|&namespace| Topic(namespace));
        let kinds = scope.kinds.iter().map(|&kind| kind_topic(self.history, kind));
        for topic in namespaces.chain(kinds) {
            self.queue.subscribe(key, topic).expect("it has just registered, and the topic exists");
        }
        self.owners[key.index()] = client;
        self.clients[client as usize].key = Some(key);
    }

    fn pump(&mut self, world: &mut World<'_>) {
        let Self { queue, owners, clients, history, .. } = self;
        let population = world.population;
        loop {
            let (merged, pending) = (&mut world.counts.merged, &mut self.pending);
            let next = world.cpu.time(|| {
                loop {
                    let lease = PushQueue::try_lease_from(Arc::clone(queue))?;
                    let client = owners[lease.key().index()];
                    *merged += lease.request().merged() - 1;
                    let was_pending = std::mem::take(&mut clients[client as usize].pending);
                    *pending -= usize::from(was_pending);
                    match part(history, &population.clients[client as usize], lease.request()) {
                        Part::Nothing => lease.complete(),
                        part => return Some((client, lease, part)),
                    }
                }
            });
            let Some((client, lease, part)) = next else { break };
            let request = Arc::clone(lease.request());
            let whole = request.everything;
            clients[client as usize].lease = Some(lease);
            self.preparing.push(client);
            world
                .begin(client, Push { request, whole, configuration: part == Part::Configuration });
        }
    }

    fn forget_permit(&mut self, client: ClientId) {
        if let Some(place) = self.preparing.iter().position(|&holder| holder == client) {
            self.preparing.swap_remove(place);
        }
    }

    fn now_pending(&mut self, client: ClientId, pending: bool) {
        let slot = &mut self.clients[client as usize].pending;
        self.pending = self.pending + usize::from(pending) - usize::from(*slot);
        *slot = pending;
    }
}

/// Kinds come after namespaces.
fn kind_topic(history: &History, kind: u32) -> Topic {
    Topic(history.namespaces.len() as u32 + kind)
}

fn part(history: &History, client: &Client, request: &Request) -> Part {
    if request.everything || (request.concerns_all && request.full) {
        return Part::Configuration;
    }
    let mut part = if request.concerns_all { Part::EndpointsOnly } else { Part::Nothing };
    for key in request.keys.iter().filter(|&&key| client.depends_on(key)) {
        if !history.endpoint_like(key.kind) {
            return Part::Configuration;
        }
        part = Part::EndpointsOnly;
    }
    part
}

impl Design for Scoped<'_> {
    fn publish(&mut self, request: Request, world: &mut World<'_>) {
        let lane = if request.full { Lane::Normal } else { Lane::Urgent };
        let everyone = request.concerns_all;
        let keys = request.keys.clone();
        let (queue, history) = (&self.queue, self.history);
        world.cpu.time(|| {
            let (namespaces, kinds) = topics(history, &request.keys);
            let scope = Scope::any(&namespaces).and_any(&kinds);
            let target = if everyone { Target::Everyone } else { Target::Topics(scope) };
            queue
                .publish(target, lane, Arc::new(request))
                .expect("the queue is open, the topics exist")
        });
        for (client, scope) in world.population.clients.iter().enumerate() {
            let queued = || {
                keys.iter().any(|key| scope.lives_in(key.namespace))
                    && keys.iter().any(|key| scope.kinds.binary_search(&key.kind).is_ok())
            };
            if self.clients[client].key.is_some() && (everyone || queued()) {
                self.now_pending(client as ClientId, true);
            }
        }
        self.pump(world);
    }

    fn notice(&mut self, notice: Notice, world: &mut World<'_>) {
        match notice {
            Notice::Connected(client) => {
                // Registered first, and what it starts from is read afterwards: what comes in between is
                // published to it.
                let queue = &self.queue;
                let key = world.cpu.time(|| queue.register()).expect("its place was given back");
                self.settle(client, key, &world.population.clients[client as usize]);
                let everything = Arc::new(world.everything());
                let target = Target::One(key);
                let queue = &self.queue;
                let published = world.cpu.time(|| queue.publish(target, Lane::Normal, everything));
                published.expect("it has just registered");
                self.now_pending(client, true);
            }
            Notice::Disconnected(client) => {
                self.forget_permit(client);
                self.now_pending(client, false);
                let (queue, slot) = (&self.queue, &mut self.clients[client as usize]);
                let (key, lease) = (slot.key.take(), slot.lease.take());
                world.cpu.time(|| {
                    if let Some(key) = key {
                        queue.unregister(key).expect("it was registered");
                    }
                    drop(lease);
                });
            }
            Notice::Prepared(client) => {
                self.forget_permit(client);
                if let Some(lease) = &mut self.clients[client as usize].lease {
                    world.cpu.time(|| lease.release_permit());
                }
            }
            Notice::Sent(client) => {
                if let Some(lease) = self.clients[client as usize].lease.take() {
                    world.cpu.time(|| lease.complete());
                }
            }
            Notice::Timer(_) => return,
        }
        self.pump(world);
    }

    fn backlog(&self) -> usize {
        self.pending
    }

    fn entry_bytes(&self) -> usize {
        // The pointer in the client's cell.
        size_of::<Arc<Request>>()
    }

    fn is_stalled(&self, world: &World<'_>) -> bool {
        self.preparing.len() == self.queue.limit()
            && self.preparing.iter().all(|&client| world.is_stuck(client))
    }
}

fn topics(history: &History, keys: &[Key]) -> (Vec<Topic>, Vec<Topic>) {
    // Keys are sorted, so that equal namespaces are neighbours.
    let mut namespaces: Vec<_> = keys.iter().map(|key| Topic(key.namespace)).collect();
    namespaces.dedup();
    let mut kinds: Vec<_> = keys.iter().map(|key| kind_topic(history, key.kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    (namespaces, kinds)
}
