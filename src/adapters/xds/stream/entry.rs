//! One of a stream's subscriptions, and its place in the queue.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::time::Instant;

use crate::adapters::xds::change::Change;
use crate::adapters::xds::resource::{Name, Resource};
use crate::adapters::xds::state::{PushLease, ServerState};
use crate::adapters::xds::store::View;
use crate::adapters::xds::subscription::{Moved, Subscription};
use crate::queue::Target;
use crate::registry::ClientKey;
use crate::slot::Lane;
use crate::topics::Topic;

/// A subscription and its place in the queue.
pub(super) struct Entry {
    pub(super) rank: u8,
    pub(super) subscription: Subscription,
    pub(super) key: ClientKey,
    /// How many of its names each topic stands for.
    pub(super) topics: HashMap<Topic, u32>,
    pub(super) push: Push,
    /// The shortest time to live of what has been sent, and when that is to be sent again.
    pub(super) ttl: Option<Duration>,
    pub(super) refresh: Option<Instant>,
}

/// The push of one type that is in progress.
pub(super) enum Push {
    None,
    /// It waits for other types, or has just come.
    Held {
        lease: PushLease,
        since: Option<Instant>,
    },
    /// It waits for the answer.
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

    pub(super) fn join(&mut self, server: &ServerState, topic: Topic) {
        let count = self.topics.entry(topic).or_default();
        *count += 1;
        if *count == 1 {
            // The client is this stream's, and the topic is below the number of topics.
            let _ = server.queue.subscribe(self.key, topic);
        }
    }

    pub(super) fn quit(&mut self, server: &ServerState, topic: Topic) {
        let Some(count) = self.topics.get_mut(&topic) else { return };
        *count -= 1;
        if *count == 0 {
            self.topics.remove(&topic);
            let _ = server.queue.unsubscribe(self.key, topic);
        }
    }

    pub(super) fn quit_all(&mut self, server: &ServerState) {
        for (topic, _) in self.topics.drain() {
            let _ = server.queue.unsubscribe(self.key, topic);
        }
    }

    /// Is to be told of what concerns the whole of a view, or of its type.
    pub(super) fn look_at(&mut self, server: &ServerState, view: &View) {
        let all = server.topics.all(&view.id, &self.subscription.type_url);
        self.join(server, server.topics.view(&view.id));
        self.join(server, all);
    }

    /// Its interest has moved.
    pub(super) fn moved(&mut self, server: &ServerState, view: &View, moved: &Moved) {
        let type_url = self.subscription.type_url.clone();
        let topic = |name: &Name| server.topics.name(&view.id, &type_url, name);
        moved.added.iter().for_each(|name| self.join(server, topic(name)));
        moved.left.iter().for_each(|name| self.quit(server, topic(name)));
        let wildcard = server.topics.wildcard(&view.id, &type_url);
        match moved.wildcard {
            Some(true) => self.join(server, wildcard),
            Some(false) => self.quit(server, wildcard),
            None => {}
        }
        self.follow(server, view, moved);
    }

    /// What is computed on demand, and nobody else of the view is subscribed to, is dropped.
    pub(super) fn follow(&self, server: &ServerState, view: &View, moved: &Moved) {
        if server.compute.is_some() && *moved != Moved::default() {
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
