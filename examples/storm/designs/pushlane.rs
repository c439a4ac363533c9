//! pushlane itself, used as an author of a control plane would: a mesh over a queue.
//!
//! ```text
//! something changes    mesh::config_change, service_change, instance_change, clear_cache
//!   → a request        mesh::PushRequest, which merges
//!   → recipients       mesh::Directory: the clients that are subscribed to what the request names
//!   → a lease          one client, its merged request, and a permit
//!   → what to send     mesh::ClientScope::filtered; if nothing is left for the client, no push is made
//!   → prepared         the permit comes back, and the send takes as long as the client likes
//!   → sent             the lease is completed
//! ```
//!
//! Endpoint changes take the urgent lane. The timeout of a push counts from its lease, as in the
//! adapters. A client that connects registers first, and the state that it starts from is read
//! afterwards.

mod load;
mod words;

use super::Design;
use crate::clock::ClientId;
use crate::request::{Numbers, Request};
use crate::world::{Notice, Push, TimeoutFrom, World};
use load::{CONNECTED, Load};
use pushlane::backlog::Merge;
use pushlane::debounce::Pace;
use pushlane::mesh::{Change, ClientScope, Directory, Isolation, PushRequest, Resubscription};
use pushlane::{ClientKey, Config, Lane, PushQueue, Target};
use std::sync::Arc;
use std::time::Duration;
use words::Words;

type Queue = pushlane::Queue<Load>;
type Lease = pushlane::Lease<Arc<Queue>>;

pub(super) struct Mesh<'a> {
    queue: Arc<Queue>,
    directory: Directory,
    words: Words<'a>,
    clients: Vec<Client>,
    /// Whose place in the queue it is, by the index of the key.
    owners: Vec<ClientId>,
    /// The holders of permits.
    preparing: Vec<ClientId>,
    pace: Option<Pace>,
    /// How many clients wait for their pace.
    paced: usize,
}

/// What to do with the next lease.
enum Next {
    /// Prepare a push with this.
    Push(Lease, PushRequest),
    /// Its client was pushed to a moment ago: hold it until then.
    Early(Lease, Duration),
}

struct Client {
    scope: ClientScope,
    /// While it is connected.
    key: Option<ClientKey>,
    /// While a push to it is in progress.
    lease: Option<Lease>,
    /// While it waits for its pace.
    paced: Option<Lease>,
    /// When its last push began, since it connected.
    last: Option<Duration>,
}

impl<'a> Mesh<'a> {
    pub(super) fn new(limit: u32, pace: Option<Pace>, world: &World<'a>) -> Self {
        let words = Words::new(world.history);
        let topics = Directory::topics_for(words.len());
        let config = Config::new(world.clients()).topics(topics as usize).permits(limit as usize);
        let clients = world.population.clients.iter();
        let mut mesh = Self {
            queue: Arc::new(Queue::new(config)),
            directory: Directory::new(topics, Isolation::Namespace).expect("there are enough"),
            clients: clients
                .map(|client| Client {
                    scope: words.scope(client),
                    key: None,
                    lease: None,
                    paced: None,
                    last: None,
                })
                .collect(),
            words,
            owners: vec![0; world.clients()],
            preparing: Vec::new(),
            pace,
            paced: 0,
        };
        for client in 0..world.clients() as ClientId {
            mesh.register(client);
        }
        mesh
    }

    /// From now on, what is published for the client reaches it.
    fn register(&mut self, client: ClientId) -> ClientKey {
        let Client { scope, key: place, .. } = &mut self.clients[client as usize];
        let key = self.queue.register().expect("there is a place for everyone");
        let topics = self.directory.topics_of(scope);
        let subscriptions = Resubscription::between(&[].into(), &topics);
        subscriptions.apply(&self.queue, key).expect("it has just registered");
        self.owners[key.index()] = client;
        *place = Some(key);
        self.clients[client as usize].last = None;
        key
    }

    /// A client that connects starts from everything.
    fn connected(&mut self, client: ClientId, happened: u32, now: Duration) {
        let key = self.register(client);
        let everything = PushRequest::everything()
            .with_reason(CONNECTED)
            .with_start(ticks(now))
            .with_version(happened.into());
        let load = Arc::new(Load::new(everything, Numbers::default()));
        self.queue.publish(Target::One(key), Lane::Normal, load).expect("it has just registered");
    }

    /// What changed at about the same time becomes one request.
    fn changed(&self, request: &Request) {
        let start = ticks(request.start);
        let changes = request.keys.iter().map(|&key| self.words.change(key, start));
        let merged = changes.reduce(|mut merged, next| {
            merged.request.merge(&next.request);
            merged
        });
        let Some(Change { request: changed, lane }) = merged else { return };
        let recipients = self.directory.recipients(&changed);
        let changed = changed.with_version(request.context.into());
        let load = Arc::new(Load::new(changed, request.numbers.clone()));
        self.queue.publish(recipients.target(), lane, load).expect("the queue is open");
    }

    /// The next push that is worth making, and what of its request is for its client.
    ///
    /// Clients that were queued by chance, because they share names with others, are done on the
    /// way.
    fn next(&mut self, now: Duration, merged: &mut u64) -> Option<Next> {
        loop {
            let lease = PushQueue::try_lease_from(Arc::clone(&self.queue))?;
            let owner = self.owner(&lease);
            let busy = self.busy();
            let client = &mut self.clients[owner as usize];
            let Some(left) = client.scope.filtered(lease.request().request()) else {
                *merged += lease.request().merged() - 1;
                lease.complete();
                continue;
            };
            let wait =
                self.pace.zip(client.last).and_then(|(pace, last)| pace.wait(last, now, busy));
            return Some(match wait {
                Some(wait) => Next::Early(lease, now + wait),
                None => {
                    *merged += lease.request().merged() - 1;
                    client.last = Some(now);
                    Next::Push(lease, left)
                }
            });
        }
    }

    /// Its permit is free at once, and what is published meanwhile merges.
    fn hold(&mut self, mut lease: Lease, until: Duration, world: &mut World<'_>) {
        world.cpu.time(|| lease.release_permit());
        let client = self.owner(&lease);
        self.clients[client as usize].paced = Some(lease);
        self.paced += 1;
        world.wake_at(until, client.into());
    }

    /// Begins pushes while there are permits and clients that need one.
    fn pump(&mut self, world: &mut World<'_>) {
        loop {
            let merged = &mut world.counts.merged;
            let now = world.now;
            let (lease, left) = match world.cpu.time(|| self.next(now, merged)) {
                None => break,
                Some(Next::Push(lease, left)) => (lease, left),
                Some(Next::Early(lease, until)) => {
                    self.hold(lease, until, world);
                    continue;
                }
            };
            let client = self.owner(&lease);
            let mut request = Arc::clone(lease.request());
            if request.is_outrun() {
                let now = request.request().clone().with_version(world.oracle.happened().into());
                request = Arc::new(Load::new(now, Numbers::default()));
            }
            let push = Push {
                request: request as _,
                whole: left.is_everything(),
                configuration: !left.is_incremental(),
                timeout_from: TimeoutFrom::Grant,
            };
            self.preparing.push(client);
            self.clients[client as usize].lease = Some(lease);
            world.begin(client, push);
        }
    }

    fn owner(&self, lease: &Lease) -> ClientId {
        self.owners[lease.key().index()]
    }

    fn forget_permit(&mut self, client: ClientId) {
        if let Some(place) = self.preparing.iter().position(|&holder| holder == client) {
            self.preparing.swap_remove(place);
        }
    }
}

impl Design for Mesh<'_> {
    fn publish(&mut self, request: Request, world: &mut World<'_>) {
        world.cpu.time(|| self.changed(&request));
        self.pump(world);
    }

    fn notice(&mut self, notice: Notice, world: &mut World<'_>) {
        match notice {
            Notice::Connected(client) => {
                let (happened, now) = (world.oracle.happened(), world.now);
                world.cpu.time(|| self.connected(client, happened, now));
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
            Notice::Disconnected(client) => {
                self.forget_permit(client);
                let Client { key, lease, paced, .. } = &mut self.clients[client as usize];
                let (key, lease, paced) = (key.take(), lease.take(), paced.take());
                self.paced -= usize::from(paced.is_some());
                world.cpu.time(|| {
                    if let Some(key) = key {
                        self.queue.unregister(key).expect("it was registered");
                    }
                    drop((lease, paced));
                });
            }
            Notice::Timer(client) => {
                // Back into the queue, to be leased with what has come meanwhile.
                if let Some(lease) = self.clients[client as usize].paced.take() {
                    self.paced -= 1;
                    world.cpu.time(|| drop(lease));
                }
            }
        }
        self.pump(world);
    }

    fn backlog(&self) -> usize {
        self.queue.waiting() + self.paced
    }

    fn busy(&self) -> usize {
        self.queue.stats().busy
    }

    fn entry_bytes(&self) -> usize {
        // The pointer in the client's cell. What is for everyone takes none.
        size_of::<Arc<Load>>()
    }

    fn is_stalled(&self, world: &World<'_>) -> bool {
        self.preparing.len() == self.queue.permits()
            && self.preparing.iter().all(|&client| world.is_stuck(client))
    }
}

/// The clock of all requests.
fn ticks(time: Duration) -> u64 {
    time.as_micros() as u64
}
