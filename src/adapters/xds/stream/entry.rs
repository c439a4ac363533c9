//! One of a stream's subscriptions, and its place in the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::time::Instant;

use crate::adapters::xds::change::Change;
use crate::adapters::xds::hub::{Hub, PushLease};
use crate::adapters::xds::resource::Name;
use crate::adapters::xds::subscription::Subscription;
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

    pub(super) fn join(&mut self, hub: &Hub, topic: Topic) {
        let count = self.topics.entry(topic).or_default();
        *count += 1;
        if *count == 1 {
            // The client is this stream's, and the topic is below the number of topics.
            let _ = hub.queue.subscribe(self.key, topic);
        }
    }

    pub(super) fn quit(&mut self, hub: &Hub, topic: Topic) {
        let Some(count) = self.topics.get_mut(&topic) else { return };
        *count -= 1;
        if *count == 0 {
            self.topics.remove(&topic);
            let _ = hub.queue.unsubscribe(self.key, topic);
        }
    }

    /// Has the client told of something that concerns it alone.
    pub(super) fn ask(&self, hub: &Hub, names: impl IntoIterator<Item = Name>) {
        let names: Vec<_> = names.into_iter().collect();
        let change = if names.is_empty() {
            Change::all(0)
        } else {
            Change::of(&self.subscription.type_url, names, 0)
        };
        // Refused only when the queue is closed: then the stream ends soon.
        let _ = hub.queue.publish(Target::One(self.key), Lane::Urgent, Arc::new(change));
    }
}
