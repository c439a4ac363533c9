//! pushlane as a [`Subject`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pushlane::backlog::{Backlog, Bits, Dirty, Journal, Shared};
use pushlane::{ClientKey, Config, Lane, Lease, MAX_PERMITS, PushQueue, Scope, Target, Topic};
use pushlane_peers::Peer;

use crate::keys::Keys;
use crate::subject::Subject;

/// How many requests the journal of the benchmarks remembers.
pub const JOURNAL: usize = 256;

/// How a publish to all goes, see [`Lanes`].
pub mod way {
    /// To [`Target::Everyone`](pushlane::Target): on demand, where a request needs no place a
    /// client.
    pub const EVERYONE: usize = 0;
    /// To a topic that everyone is subscribed to.
    pub const DIRECT: usize = 1;
    /// As `EVERYONE`, and at most 100 pushes are in progress at once. The peers limit nothing, so
    /// the other ways don't either.
    pub const LIMITED: usize = 2;
}

/// A queue with all its clients, and the [`way`] to publish to all of them.
#[derive(Debug)]
pub struct Lanes<B: Backlog, const WAY: usize = { way::EVERYONE }> {
    /// The queue.
    pub queue: PushQueue<B>,
    /// Its clients, by their places.
    pub clients: Vec<ClientKey>,
    topics: AtomicU32,
}

/// The topic of everyone.
const ALL: Topic = Topic(0);
const TOPICS: usize = 3;

/// A backlog of the benchmarks.
pub trait Carried:
    'static
    + Backlog<Request: Clone + Send + Sync, Payload: Send, Cells: Send + Sync>
    + Default
    + Send
    + Sync
{
    /// In tables and plots, for each [`way`].
    const NAMES: [&str; 3];

    /// What is in a lease, as it was published.
    fn request(payload: &Self::Payload) -> &Self::Request;
}

impl Carried for Dirty {
    const NAMES: [&str; 3] = ["pushlane", "pushlane, direct", "pushlane, 100 permits"];

    fn request((): &()) -> &() {
        &()
    }
}

impl Carried for Bits<1> {
    const NAMES: [&str; 3] =
        ["pushlane Bits", "pushlane Bits, direct", "pushlane Bits, 100 permits"];

    fn request(payload: &[u32; 1]) -> &[u32; 1] {
        payload
    }
}

impl Carried for Shared<Keys> {
    const NAMES: [&str; 3] =
        ["pushlane Shared", "pushlane Shared, direct", "pushlane Shared, 100 permits"];

    fn request(payload: &Arc<Keys>) -> &Arc<Keys> {
        payload
    }
}

impl Carried for Journal<Shared<Keys>, JOURNAL> {
    const NAMES: [&str; 3] =
        ["pushlane Journal", "pushlane Journal, direct", "pushlane Journal, 100 permits"];

    fn request(payload: &Arc<Keys>) -> &Arc<Keys> {
        payload
    }
}

impl<B: Carried, const WAY: usize> Lanes<B, WAY> {
    /// A queue and its clients.
    pub fn new(clients: u32) -> Self {
        let permits = if WAY == way::LIMITED { 100 } else { MAX_PERMITS };
        let config = Config::new(clients as usize).topics(TOPICS).permits(permits);
        let queue = PushQueue::new(config);
        let register = |index| {
            let Ok(key) = queue.register() else { unreachable!("there is room for all") };
            assert_eq!(key.index(), index, "a new queue fills from the beginning");
            key
        };
        let keys = (0..clients as usize).map(register).collect();
        let this = Lanes { queue, clients: keys, topics: AtomicU32::new(0) };
        if WAY == way::DIRECT {
            let all: Vec<_> = (0..clients).collect();
            assert_eq!(this.group(&all), ALL);
        }
        this
    }

    #[inline(always)] // as the peers' publishes are
    fn send(&self, target: Target<'_>, request: &B::Request) {
        let sent = self.queue.publish(target, Lane::Normal, request.clone());
        debug_assert!(sent.is_ok(), "the queue is open, and its clients don't leave");
    }
}

impl<B: Carried, const WAY: usize> Peer for Lanes<B, WAY>
where
    Self: Send + Sync,
{
    type Request = B::Request;
    type Lease<'a> = Lease<&'a PushQueue<B>>;

    fn with_clients(clients: u32) -> Self {
        Lanes::new(clients)
    }

    #[inline]
    fn publish(&self, client: u32, request: &B::Request) {
        self.send(Target::One(self.clients[client as usize]), request);
    }

    fn publish_all(&self, _: u32, request: &B::Request) {
        let all = [ALL];
        let target = match WAY {
            way::DIRECT => Target::Topics(Scope::any(&all)),
            _ => Target::Everyone,
        };
        self.send(target, request);
    }

    #[inline]
    fn lease(&self) -> Option<Self::Lease<'_>> {
        self.queue.try_lease()
    }

    fn client(lease: &Self::Lease<'_>) -> u32 {
        lease.key().index() as u32
    }

    fn request<'a>(lease: &'a Self::Lease<'_>) -> &'a B::Request {
        B::request(lease.request())
    }

    #[inline]
    fn done(&self, lease: Self::Lease<'_>) {
        lease.complete();
    }
}

impl<B: Carried, const WAY: usize> Subject for Lanes<B, WAY>
where
    Self: Send + Sync,
{
    const NAME: &str = B::NAMES[WAY];
    type Group = Topic;

    fn group(&self, clients: &[u32]) -> Topic {
        let topic = Topic(self.topics.fetch_add(1, Ordering::Relaxed));
        for &client in clients {
            let subscribed = self.queue.subscribe(self.clients[client as usize], topic);
            assert_eq!(subscribed, Ok(()));
        }
        topic
    }

    fn publish_group(&self, group: &Topic, request: &B::Request) {
        let topics = [*group];
        self.send(Target::Topics(Scope::any(&topics)), request);
    }
}
