//! One of a stream's subscriptions, and its place in the queue.

use core::time::Duration;
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::time::Instant;

use crate::adapters::xds::change::Change;
use crate::adapters::xds::resource::{Name, Resource};
use crate::adapters::xds::state::{PushLease, ServerState};
use crate::adapters::xds::store::View;
use crate::adapters::xds::subscription::{Moved, Subscription};
use crate::adapters::xds::topics::Watched;
use crate::queue::Target;
use crate::registry::ClientKey;
use crate::slot::Lane;

/// A subscription and its place in the queue.
pub(super) struct Entry {
    /// Its type's place in the order of sending.
    pub(super) rank: u8,
    pub(super) subscription: Subscription,
    pub(super) key: ClientKey,
    pub(super) push: Push,
    /// The shortest time to live of what has been sent, and when that is to be sent again.
    pub(super) ttl: Option<Duration>,
    pub(super) refresh: Option<Instant>,
}

/// The push of one type that is in progress.
pub(super) enum Push {
    None,
    /// It waits for other types since then; `None`: it has just come.
    Held {
        lease: PushLease,
        since: Option<Instant>,
    },
    /// It waits for the answer. If the response was incomplete, the lease then goes back.
    Sent {
        lease: PushLease,
        at: Instant,
        incomplete: bool,
    },
}

impl Entry {
    pub(super) fn is_held(&self) -> bool {
        matches!(self.push, Push::Held { .. })
    }

    /// These have been sent.
    pub(super) fn sent(&mut self, resources: &[Resource], now: Instant) {
        let shortest = resources.iter().filter_map(Resource::ttl).min();
        self.ttl = self.ttl.into_iter().chain(shortest).min();
        if shortest.is_some() {
            self.refresh = self.ttl.map(|ttl| now + ttl / 3);
        }
    }

    /// Has what the client has for a limited time sent again, if it is time.
    pub(super) fn refresh(&mut self, server: &ServerState, now: Instant) {
        if self.refresh.is_none_or(|at| at > now) {
            return;
        }
        // From now on it is for what is sent to say when.
        self.refresh = None;
        let names = self.subscription.refresh();
        if names.is_empty() {
            self.ttl = None;
        } else {
            self.ask(server, names);
        }
    }

    /// Is told of what concerns the view as a whole.
    pub(super) fn look_at(&self, server: &ServerState, view: &View) {
        server.topics.join(&server.queue, self.key, server.topics.view(&view.id));
    }

    /// Is told of nothing in the view any more.
    pub(super) fn look_away(&self, server: &ServerState, view: &View) {
        let topics = &server.topics;
        topics.quit(&server.queue, self.key, topics.view(&view.id));
        if self.subscription.interest.wildcard {
            let wildcard = topics.wildcard(&view.id, &self.subscription.type_url);
            topics.quit(&server.queue, self.key, wildcard);
        }
        server.watched.leave(self.key);
        self.follow(server, view, &self.subscription.interest.nothing_of());
    }

    /// Its interest has moved, if it has: most requests repeat what was asked for.
    pub(super) fn moved(&self, server: &ServerState, view: &View, moved: &Moved) {
        if moved.is_nothing() {
            return;
        }
        let type_url = &self.subscription.type_url;
        let watched = |name: &Name| Watched {
            name: name.clone(),
            view: view.id.clone(),
            type_url: type_url.clone(),
        };
        for name in &moved.added {
            // The client is the stream's own, and registered.
            let _ = server.watched.subscribe(self.key, watched(name));
        }
        for name in &moved.left {
            server.watched.unsubscribe(self.key, &watched(name));
        }
        let topic = server.topics.wildcard(&view.id, type_url);
        match moved.wildcard {
            Some(true) => server.topics.join(&server.queue, self.key, topic),
            Some(false) => server.topics.quit(&server.queue, self.key, topic),
            None => {}
        }
        self.follow(server, view, moved);
    }

    /// What is computed on demand, and nobody else of the view is subscribed to, is dropped.
    fn follow(&self, server: &ServerState, view: &View, moved: &Moved) {
        if server.compute.is_some() && !moved.is_nothing() {
            view.cache.follow((&server.store, view), &self.subscription.type_url, moved);
        }
    }

    /// Has the client told of something that concerns it alone.
    pub(super) fn ask(&self, server: &ServerState, names: impl IntoIterator<Item = Name>) {
        let names: Vec<_> = names.into_iter().collect();
        let change = if names.is_empty() {
            Change::all(0)
        } else {
            Change::of(&self.subscription.type_url, names, 0)
        };
        // Refused only when the queue is closed: then the stream ends soon.
        let _ = server.queue.publish(Target::One(self.key), Lane::Urgent, Arc::new(change));
    }
}
