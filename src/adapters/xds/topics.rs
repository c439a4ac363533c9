//! Whom a change concerns: exactly, by name, and by bitmaps for views and wildcards.

use core::hash::BuildHasher;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::boxed::Box;
use std::collections::hash_map::RandomState;

use super::resource::{Name, TypeUrl};
use super::state::Queue;
use super::view::ViewId;
use crate::registry::ClientKey;
use crate::topics::Topic;

/// A name within a view: what a client subscribes to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    pub(super) name: Name,
    pub(super) view: ViewId,
    pub(super) type_url: TypeUrl,
}

/// Hashes views, and types as a whole, into a fixed number of topics: one half each. Clients whose
/// topics collide look at one another's changes, find nothing, and send nothing.
pub(super) struct TopicSpace {
    half: u32,
    /// Random, so that nobody can choose views that collide.
    hasher: RandomState,
    /// How many clients each topic has, for the choice of a lane.
    members: Box<[AtomicUsize]>,
}

impl TopicSpace {
    pub(super) fn new(count: u32) -> Self {
        let half = (count / 2).max(1);
        let members = (0..2 * half).map(|_| AtomicUsize::new(0)).collect();
        TopicSpace { half, hasher: RandomState::new(), members }
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Every client of the view.
    pub(super) fn view(&self, view: &ViewId) -> Topic {
        Topic((self.hasher.hash_one(&**view) % u64::from(self.half)) as u32)
    }

    /// Every client of the view that subscribes to the type as a whole.
    pub(super) fn wildcard(&self, view: &ViewId, type_url: &TypeUrl) -> Topic {
        let hash = self.hasher.hash_one((&**view, &**type_url));
        Topic(self.half + (hash % u64::from(self.half)) as u32)
    }

    pub(super) fn join(&self, queue: &Queue, client: ClientKey, topic: Topic) {
        // The client is the stream's own, and the topic is below the number of topics.
        let _ = queue.subscribe(client, topic);
        self.members[topic.0 as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn quit(&self, queue: &Queue, client: ClientKey, topic: Topic) {
        let _ = queue.unsubscribe(client, topic);
        self.members[topic.0 as usize].fetch_sub(1, Relaxed);
    }

    /// How many clients the topic has. Approximate while they come and go.
    pub(super) fn members(&self, topic: Topic) -> usize {
        self.members[topic.0 as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::config::Config;

    #[test]
    fn clients_that_join_and_quit_at_once_are_all_counted() {
        let queue = Queue::new(Config::new(4).topics(2));
        let space = TopicSpace::new(2);
        let topic = space.view(&ViewId::from("a"));
        let (queue, space) = (&Arc::new(queue), &space);
        thread::scope(|scope| {
            for _ in 0..4 {
                let client = queue.register().unwrap();
                scope.spawn(move || {
                    for _ in 0..50_000 {
                        space.join(queue, client, topic);
                        space.quit(queue, client, topic);
                    }
                    space.join(queue, client, topic);
                });
            }
        });
        assert_eq!(space.members(topic), 4);
    }

    #[test]
    fn a_view_never_collides_with_a_wildcard() {
        let type_url = TypeUrl::from(TypeUrl::CLUSTER);
        for count in [0, 1, 2, 64] {
            let space = TopicSpace::new(count);
            for view in ["a", "b", "c"].map(ViewId::from) {
                let (all, some) = (space.view(&view), space.wildcard(&view, &type_url));
                assert!((all.0 as usize) < space.count() / 2);
                assert!((space.count() / 2..space.count()).contains(&(some.0 as usize)));
            }
        }
    }
}
