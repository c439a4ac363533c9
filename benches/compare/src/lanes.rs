//! pushlane as a [`Subject`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pushlane::backlog::{Backlog, Bits, Dirty, Folded, Journal, Shared};
use pushlane::{ClientKey, Config, Lane, Lease, PushQueue, Scope, Target, Topic};
use pushlane_peers::Peer;

use crate::keys::Keys;
use crate::subject::Subject;

/// How many requests the journal of the benchmarks remembers.
pub const JOURNAL: usize = 256;

/// A queue with all its clients.
///
/// A publish to all goes to [`Target::Everyone`], or, if `DIRECT`, to a topic that everyone is subscribed to:
/// the clients are then marked by the publish itself and not on demand.
#[derive(Debug)]
pub struct Lanes<B: Backlog, const DIRECT: bool = false> {
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
    + Backlog<Request: Clone + Send + Sync, Payload: Send, Cell: Send + Sync>
    + Default
    + Send
    + Sync
{
    /// In tables and plots; `DIRECT` ones as well.
    const NAMES: [&str; 2];

    /// What is in a lease, as it was published.
    fn request(payload: &Self::Payload) -> &Self::Request;
}

impl Carried for Dirty {
    const NAMES: [&str; 2] = ["pushlane", "pushlane, direct"];

    fn request((): &()) -> &() {
        &()
    }
}

impl Carried for Bits<1> {
    const NAMES: [&str; 2] = ["pushlane Bits", "pushlane Bits, direct"];

    fn request(payload: &[u32; 1]) -> &[u32; 1] {
        payload
    }
}

impl Carried for Shared<Keys> {
    const NAMES: [&str; 2] = ["pushlane Shared", "pushlane Shared, direct"];

    fn request(payload: &Arc<Keys>) -> &Arc<Keys> {
        payload
    }
}

impl Carried for Journal<Arc<Keys>, JOURNAL> {
    const NAMES: [&str; 2] = ["pushlane Journal", "pushlane Journal, direct"];

    fn request(payload: &Folded<Arc<Keys>>) -> &Arc<Keys> {
        payload
    }
}

impl<B: Carried, const DIRECT: bool> Lanes<B, DIRECT> {
    /// A queue and its clients.
    pub fn new(clients: u32) -> Self {
        let mut config = Config::new(clients as usize).topics(TOPICS);
        if DIRECT {
            config = config.on_demand_from(usize::MAX);
        }
        let queue = PushQueue::new(config);
        let register = |index| {
            let Ok(key) = queue.register() else { unreachable!("there is room for all") };
            assert_eq!(key.index(), index, "a new queue fills from the beginning");
            key
        };
        let keys = (0..clients as usize).map(register).collect();
        let this = Lanes { queue, clients: keys, topics: AtomicU32::new(0) };
        if DIRECT {
            let all: Vec<_> = (0..clients).collect();
            assert_eq!(this.group(&all), ALL);
        }
        this
    }

    fn send(&self, target: Target<'_>, request: &B::Request) {
        let sent = self.queue.publish(target, Lane::Normal, request.clone());
        debug_assert!(sent.is_ok(), "the queue is open, and its clients don't leave");
    }
}

impl<B: Carried, const DIRECT: bool> Peer for Lanes<B, DIRECT>
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
        let target = if DIRECT { Target::Topics(Scope::any(&all)) } else { Target::Everyone };
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

impl<B: Carried, const DIRECT: bool> Subject for Lanes<B, DIRECT>
where
    Self: Send + Sync,
{
    const NAME: &str = B::NAMES[DIRECT as usize];
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
