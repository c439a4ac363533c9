//! What all streams of a server share: the queue, the store, and who is who.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::collections::{BTreeMap, VecDeque};
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ::tokio::sync::watch;

use super::acked::{Departure, Nack};
use super::ads::Draining;
use super::change::Change;
use super::compute::Compute;
use super::event::Event;
use super::identity::Identity;
use super::kinds::Kinds;
use super::limits::Limits;
use super::mailbox::Notice;
use super::metrics::{Counters, Metrics};
use super::proto::Node;
use super::resource::TypeUrl;
use super::shared::Extensions;
use super::status::{StreamId, StreamInfo};
use super::store::{Store, Turn, View};
use super::topics::{TopicSpace, Watched};
use super::view::ViewId;
use crate::adapters::AsyncQueue;
use crate::adapters::waiting::next;
use crate::backlog::Shared;
use crate::config::Config;
use crate::lease::Lease;
use crate::registry::ClientKey;
use crate::subscriptions::Subscriptions;

pub(super) type Queue = AsyncQueue<Shared<Change>>;
pub(super) type PushLease = Lease<Arc<Queue>>;

pub(super) type Observer = dyn Fn(&Event) + Send + Sync;
pub(super) type Views = dyn Fn(&Node, Option<&Identity>) -> Option<ViewId> + Send + Sync;

/// How all streams are told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Serving,
    /// No new streams.
    Draining,
    /// Every stream ends.
    Stopped,
}

/// What a [`Builder`](super::Builder) was told.
pub(super) struct Wishes {
    pub(super) limits: Limits,
    pub(super) views: Box<Views>,
    pub(super) compute: Option<Box<dyn Compute>>,
    pub(super) kinds: Kinds,
    pub(super) observer: Option<Box<Observer>>,
    pub(super) shared_revisions: bool,
}

/// How far the server is in the store that it shares with others.
#[derive(Clone, Copy)]
pub(super) struct Reached {
    /// The newest revision that is served. Without a shared store it is beyond every revision.
    pub(super) revision: u64,
    /// When the store was asked last, and the revision that it had then.
    pub(super) store: Option<(Instant, u64)>,
}

pub(super) struct ServerState {
    pub(super) limits: Limits,
    pub(super) queue: Arc<Queue>,
    pub(super) store: Store,
    pub(super) topics: TopicSpace,
    /// By name, the clients that subscribe to it.
    pub(super) watched: Subscriptions<Watched>,
    pub(super) counters: Counters,
    pub(super) views: Box<Views>,
    pub(super) compute: Option<Box<dyn Compute>>,
    pub(super) kinds: Kinds,
    observer: Option<Box<Observer>>,
    pub(super) extensions: Extensions,
    pub(super) phase: watch::Sender<Phase>,
    /// To whom a lease goes, by the place of its client.
    routes: Box<[Mutex<Option<Route>>]>,
    streams: Mutex<BTreeMap<StreamId, Arc<StreamInfo>>>,
    newest: AtomicU64,
    /// At most `limits.streams`. A count and nothing else: relaxed.
    stream_limit: AtomicUsize,
    reached: watch::Sender<Reached>,
    pub(super) nacks: Mutex<VecDeque<Arc<Nack>>>,
    pub(super) departures: Mutex<VecDeque<Arc<Departure>>>,
}

/// One client of the queue: a stream's subscription to one type.
pub(super) struct Route {
    pub(super) key: ClientKey,
    pub(super) info: Arc<StreamInfo>,
    pub(super) type_url: TypeUrl,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ServerState {
    pub(super) fn new(wishes: Wishes) -> Arc<Self> {
        let Wishes { limits, views, compute, kinds, observer, shared_revisions } = wishes;
        let topics = TopicSpace::new(limits.topics);
        let config = Config::new(limits.streams.saturating_mul(limits.types))
            .topics(topics.count())
            .permits(limits.permits);
        let queue = Arc::new(Queue::new(config));
        let routes = (0..queue.capacity()).map(|_| Mutex::new(None)).collect();
        Arc::new(ServerState {
            queue,
            store: Store::default(),
            topics,
            watched: Subscriptions::new(),
            counters: Counters::default(),
            views,
            compute,
            kinds,
            observer,
            extensions: Extensions::default(),
            phase: watch::Sender::new(Phase::Serving),
            routes,
            streams: Mutex::default(),
            newest: AtomicU64::new(0),
            stream_limit: AtomicUsize::new(limits.streams),
            reached: watch::Sender::new(Reached {
                revision: if shared_revisions { 0 } else { u64::MAX },
                store: None,
            }),
            nacks: Mutex::default(),
            departures: Mutex::default(),
            limits,
        })
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer(&event);
        }
    }

    /// Hands each lease to the stream whose client it is, until the queue has been closed and is
    /// drained.
    pub(super) async fn dispatch(self: Arc<Self>) {
        while let Some(lease) = next(Arc::clone(&self.queue)).await {
            self.hand_over(lease);
            // Under steady load `next` never waits; the runtime needs its turn all the same.
            ::tokio::task::consume_budget().await;
        }
    }

    fn hand_over(&self, lease: PushLease) {
        let route = lock(&self.routes[lease.key().index()]);
        if let Some(route) = route.as_ref().filter(|route| route.key == lease.key()) {
            route.info.mailbox.lease(lease);
        }
    }

    pub(super) fn route(&self, route: Route) {
        let place = route.key.index();
        *lock(&self.routes[place]) = Some(route);
    }

    /// The client leaves the queue.
    pub(super) fn leave(&self, key: ClientKey) {
        let mut route = lock(&self.routes[key.index()]);
        if route.as_ref().is_some_and(|route| route.key == key) {
            *route = None;
        }
        drop(route);
        // It can have left only by this.
        let _ = self.queue.unregister(key);
    }

    /// Whose client it is.
    pub(super) fn whose(&self, key: ClientKey) -> Option<(Arc<StreamInfo>, TypeUrl)> {
        let route = lock(&self.routes[key.index()]);
        let route = route.as_ref().filter(|route| route.key == key)?;
        Some((Arc::clone(&route.info), route.type_url.clone()))
    }

    pub(super) fn next_stream(&self) -> StreamId {
        StreamId(self.newest.fetch_add(1, Relaxed) + 1)
    }

    /// False: there are as many as there may be.
    pub(super) fn enter(&self, info: &Arc<StreamInfo>) -> bool {
        let mut streams = lock(&self.streams);
        let room = streams.len() < self.stream_limit();
        if *self.phase.borrow() == Phase::Stopped {
            info.mailbox.end(Notice::Stopped);
        }
        if room {
            streams.insert(info.id, Arc::clone(info));
            self.counters.opened.one();
        }
        room
    }

    pub(super) fn stream_limit(&self) -> usize {
        self.stream_limit.load(Relaxed)
    }

    pub(super) fn set_stream_limit(&self, streams: usize) -> usize {
        self.stream_limit.swap(streams.min(self.limits.streams), Relaxed)
    }

    pub(super) fn reached(&self, revision: u64) {
        self.reached.send_if_modified(|reached| {
            let later = revision > reached.revision;
            reached.revision = revision.max(reached.revision);
            later
        });
    }

    pub(super) fn store_is_at(&self, asked: Instant, revision: u64) {
        self.reached.send_modify(|reached| reached.store = Some((asked, revision)));
    }

    /// How far the server is in the shared store, for streams that wait for it.
    pub(super) fn shared(&self) -> watch::Receiver<Reached> {
        self.reached.subscribe()
    }

    /// Every stream ends.
    pub(super) fn stop(&self) {
        self.phase.send_replace(Phase::Stopped);
        // A stream that enters later reads the phase, behind the lock that is taken here.
        for info in self.streams() {
            info.mailbox.end(Notice::Stopped);
        }
    }

    pub(super) fn exit(&self, id: StreamId) {
        lock(&self.streams).remove(&id);
        self.counters.closed.one();
    }

    pub(super) fn stream(&self, id: StreamId) -> Option<Arc<StreamInfo>> {
        lock(&self.streams).get(&id).cloned()
    }

    /// The right to change views, unless the queue has been closed.
    pub(super) fn begin(&self) -> Result<Turn<'_>, Draining> {
        let turn = self.store.begin();
        if self.queue.is_closed() { Err(Draining) } else { Ok(turn) }
    }

    /// Nobody looks at the view any more, as far as the caller is concerned.
    pub(super) fn release(&self, view: Arc<View>) {
        self.store.release(view, self.compute.is_some());
    }

    pub(super) fn streams(&self) -> Vec<Arc<StreamInfo>> {
        lock(&self.streams).values().cloned().collect()
    }

    pub(super) fn remember<T>(&self, log: &Mutex<VecDeque<Arc<T>>>, entry: T) {
        let mut log = lock(log);
        while log.len() >= self.limits.history.max(1) {
            log.pop_front();
        }
        log.push_back(Arc::new(entry));
    }

    pub(super) fn recall<T>(
        log: &Mutex<VecDeque<Arc<T>>>,
        about: impl Fn(&T) -> bool,
    ) -> Vec<Arc<T>> {
        lock(log).iter().filter(|entry| about(entry)).cloned().collect()
    }

    pub(super) fn metrics(&self) -> Metrics {
        let counters = &self.counters;
        Metrics {
            streams: lock(&self.streams).len() as u64,
            opened: counters.opened.get(),
            refused: counters.refusals.read(),
            ended: counters.ended.read(),
            requests: counters.requests.get(),
            stale: counters.stale.get(),
            connections: counters.connections.read(),
            published: counters.published.get(),
            pushes: counters.pushes.get(),
            resources: counters.resources.get(),
            oversized: counters.oversized.get(),
            nothing: counters.nothing.get(),
            deferred: counters.deferred.get(),
            acks: counters.acks.get(),
            nacks: counters.nacks.get(),
            ack_micros: counters.ack_micros.get(),
            queue_depth: self.queue.waiting() as u64,
            queue_clients: self.queue.clients() as u64,
            permits: self.queue.permits() as u64,
            permits_held: self.queue.permits_held() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn streams_that_come_at_once_have_numbers_of_their_own() {
        let server = ServerState::new(Wishes {
            limits: Limits::default(),
            views: Box::new(|_, _| None),
            compute: None,
            kinds: Kinds::default(),
            observer: None,
            shared_revisions: false,
        });
        let (numbers, start) = (Mutex::new(Vec::new()), Barrier::new(4));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    let mine: Vec<_> = (0..200_000).map(|_| server.next_stream()).collect();
                    lock(&numbers).extend(mine);
                });
            }
        });
        let mut numbers = lock(&numbers);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 800_000);
    }
}
