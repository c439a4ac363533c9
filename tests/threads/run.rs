//! Publishers, workers and churn, at once, on one queue.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use pushlane::backlog::Backlog;
use pushlane::ready::{ReadySet, WithBanks};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, Lease, NoSignal, PushQueue, Scope, Target, Version};

use crate::oracle::{ALL, Change, OWN, Oracle, STREAMS, TOPICS, streams_of, topic_of};

const LIMIT: usize = 6;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) clients: usize,
    /// By each of the publishers.
    pub(crate) publishes: usize,
    /// Of so many publishes one is for everyone, and one for a topic.
    pub(crate) fan_out: usize,
}

/// A backlog under test: how a publish says which stream has changed.
pub(crate) trait Load: Backlog + Default + Sync {
    fn request(stream: usize) -> Self::Request;
    /// The streams, as bits, of which the payload says that they have changed.
    fn streams(payload: &Self::Payload) -> u32;
}

/// What happens besides publishing and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// Pushes fail, handlers panic, and the limit changes.
    Trouble,
    /// That, and clients come and go.
    Churn,
}

/// Small, seeded, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}

struct Scene<B: Load, R: ReadySet> {
    queue: PushQueue<B, Heap<R>>,
    oracle: Oracle,
    size: Size,
    beside: Beside,
    /// The clients that stay.
    clients: Vec<ClientKey>,
    publishing: AtomicUsize,
    /// Permits that the workers hold, by their own count.
    held: AtomicUsize,
    early: AtomicBool,
}

pub(crate) fn run<B, R>(size: Size, beside: Beside, seed: u64)
where
    B: Load<Request: Send, Payload: Send + Sync, Cells: Send + Sync>,
    R: WithBanks + Sync,
{
    let config = Config::new(size.clients).topics(TOPICS).permits(LIMIT);
    let queue = PushQueue::<B, Heap<R>>::with_parts(config, B::default(), NoSignal);
    let passing = if beside == Beside::Churn { size.clients.div_ceil(10) } else { 0 };
    let staying = size.clients - passing;
    let clients: Vec<_> = (0..staying).map(|_| queue.register().unwrap()).collect();
    for client in &clients {
        subscribe(&queue, *client);
    }
    let scene = Scene {
        queue,
        oracle: Oracle::new(size.clients),
        size,
        beside,
        clients,
        publishing: AtomicUsize::new(2),
        held: AtomicUsize::new(0),
        early: AtomicBool::new(false),
    };
    let dice = |thread| Dice(seed * 0x9E37_79B9 + thread + 1);
    let (versions, newcomers) = thread::scope(|scope| {
        let publishers = [0, 1].map(|thread| {
            let scene = &scene;
            scope.spawn(move || {
                let versions = catch_unwind(AssertUnwindSafe(|| scene.publish(dice(thread))));
                scene.publishing.fetch_sub(1, Relaxed);
                versions.unwrap()
            })
        });
        for thread in [2, 3] {
            let scene = &scene;
            scope.spawn(move || scene.work(dice(thread)));
        }
        let newcomers = match beside {
            Beside::Nothing => Vec::new(),
            Beside::Trouble | Beside::Churn => scene.churn(dice(4)),
        };
        (publishers.map(|publisher| publisher.join().unwrap()).concat(), newcomers)
    });
    scene.settle(&versions, &newcomers);
}

fn subscribe<B: Backlog, R: ReadySet>(queue: &PushQueue<B, Heap<R>>, client: ClientKey) {
    for stream in ALL + 1..STREAMS {
        if streams_of(client.index()) & 1 << stream != 0 {
            queue.subscribe(client, topic_of(stream)).unwrap();
        }
    }
}

impl<B: Load, R: ReadySet> Scene<B, R> {
    fn publish(&self, mut dice: Dice) -> Vec<(Version, Change)> {
        let mut versions: Vec<(Version, Change)> = Vec::with_capacity(self.size.publishes);
        let mut converging = None;
        for round in 0..self.size.publishes {
            let stream = match round % self.size.fan_out {
                0 => ALL,
                middle if middle == self.size.fan_out / 2 => ALL + 1 + dice.roll(TOPICS),
                _ => dice.roll(OWN),
            };
            let only = (stream < OWN).then(|| self.clients[dice.roll(self.clients.len())]);
            let change = self.oracle.change(stream, only);
            let lane = if dice.roll(3) == 0 { Lane::Urgent } else { Lane::Normal };
            let version = self.publish_one(change, lane);
            versions.push((version, change));
            if only.is_none() {
                converging = Some((version, change));
            }
            // The last one that was for many, until it has converged; and any other.
            if dice.roll(8) == 0 {
                converging = converging.filter(|version| !self.check(*version));
            }
            self.check(versions[dice.roll(versions.len())]);
        }
        versions
    }

    fn publish_one(&self, change: Change, lane: Lane) -> Version {
        let topics;
        let target = match change {
            Change { only: Some(client), .. } => Target::One(client),
            Change { stream: ALL, .. } => Target::Everyone,
            Change { stream, .. } => {
                topics = [topic_of(stream)];
                Target::Topics(Scope::any(&topics))
            }
        };
        let published = self.queue.publish(target, lane, B::request(change.stream));
        published.unwrap_or_else(|refused| panic!("{refused}, and nobody has closed or left"))
    }

    /// Converged means arrived. Not converged means nothing.
    fn check(&self, (version, change): (Version, Change)) -> bool {
        let converged = self.queue.is_converged(version);
        if converged && !self.oracle.has_arrived(change, self.clients.len()) {
            self.early.store(true, Relaxed);
        }
        converged
    }

    fn work(&self, mut dice: Dice) {
        let mut leases = Vec::new();
        let mut visits_in_vain = 0;
        // Other workers' leases may hold what is left when this one ends: `settle` serves it.
        while self.publishing.load(Relaxed) > 0 || visits_in_vain < 100 {
            match self.queue.try_lease() {
                Some(lease) => {
                    visits_in_vain = 0;
                    self.oracle.begin(lease.key());
                    let held = self.held.fetch_add(1, Relaxed);
                    assert!(held < LIMIT, "{held} permits were out, and one more was granted");
                    // At once: what is published from now on is for the next push.
                    let numbers = self.oracle.read(lease.key(), B::streams(lease.request()));
                    leases.push((lease, numbers));
                }
                None => {
                    visits_in_vain += 1;
                    thread::yield_now();
                }
            }
            if !leases.is_empty() && (leases.len() > dice.roll(8) || visits_in_vain > 0) {
                let (lease, numbers) = leases.swap_remove(dice.roll(leases.len()));
                self.end(lease, numbers, &mut dice);
            }
        }
        leases.into_iter().for_each(|(lease, numbers)| self.end(lease, numbers, &mut dice));
    }

    fn end(
        &self,
        mut lease: Lease<&PushQueue<B, Heap<R>>>,
        numbers: [u32; STREAMS],
        dice: &mut Dice,
    ) {
        let client = lease.key();
        let outcome = if self.beside == Beside::Nothing { 99 } else { dice.roll(100) };
        // Counted down first, so that the count is never more than what is out.
        self.held.fetch_sub(1, Relaxed);
        if outcome % 2 == 0 {
            lease.release_permit();
        }
        self.oracle.end(client);
        match outcome {
            0..5 => lease.requeue(),
            5..10 => drop(lease),
            10..15 => {
                let handler = catch_unwind(AssertUnwindSafe(|| {
                    let _lease = lease;
                    // Unwinds without printing a message each time.
                    resume_unwind(Box::new("a handler that panics"))
                }));
                assert!(handler.is_err());
            }
            _ => {
                self.oracle.arrive(client, numbers);
                lease.complete();
            }
        }
    }

    /// Clients registered at the end, besides those that stay.
    fn churn(&self, mut dice: Dice) -> Vec<ClientKey> {
        let mut here = Vec::new();
        let mut gone = Vec::new();
        while self.publishing.load(Relaxed) > 0 {
            self.queue.set_permits(1 + dice.roll(LIMIT));
            if self.beside == Beside::Churn {
                if dice.roll(2) == 0 {
                    here.extend(self.come(&mut dice));
                } else if !here.is_empty() {
                    let client = here.swap_remove(dice.roll(here.len()));
                    self.queue.unregister(client).unwrap();
                    gone.push(client);
                }
                if let Some(client) = gone.get(dice.roll(gone.len() + 1)) {
                    let refused =
                        self.queue.publish(Target::One(*client), Lane::Urgent, B::request(0));
                    assert!(refused.is_err(), "{client} has left");
                    assert!(self.queue.unregister(*client).is_err());
                }
            }
            thread::yield_now();
        }
        here
    }

    /// A newcomer registers and subscribes first, and then reads the state it starts from; or it
    /// starts with a push.
    fn come(&self, dice: &mut Dice) -> Option<ClientKey> {
        if dice.roll(2) == 0 {
            let client = self.queue.register().ok()?;
            subscribe(&self.queue, client);
            self.oracle.arrive(client, self.oracle.read(client, u32::MAX));
            Some(client)
        } else {
            let client = self.queue.register_with(Lane::Normal, B::request(ALL)).ok()?;
            subscribe(&self.queue, client);
            self.oracle.arrive(client, self.oracle.read(client, !(1 << ALL)));
            Some(client)
        }
    }

    /// Everything has been published: what is still owed is delivered, and then nothing may be
    /// missing.
    fn settle(self, versions: &[(Version, Change)], newcomers: &[ClientKey]) {
        assert!(!self.early.into_inner(), "a version converged before it had arrived");
        assert_eq!(self.queue.permits_held(), 0, "all leases have ended");
        self.queue.set_permits(1);
        let mut last_pushes = 0;
        while let Some(lease) = self.queue.try_lease() {
            let numbers = self.oracle.read(lease.key(), B::streams(lease.request()));
            self.oracle.arrive(lease.key(), numbers);
            lease.complete();
            last_pushes += 1;
            assert!(
                last_pushes <= self.size.clients,
                "more pushes than clients, and nothing is published"
            );
        }
        for client in self.clients.iter().chain(newcomers) {
            assert_eq!(self.oracle.missing(*client), [], "{client} is behind in these streams");
        }
        for (version, change) in versions {
            assert!(self.queue.is_converged(*version), "{version} hangs: {change:?}");
        }
        assert_eq!(self.queue.permits_held(), 0);
        assert_eq!(self.queue.clients(), self.clients.len() + newcomers.len());
        self.queue.close();
        assert!(self.queue.is_drained());
    }
}
