//! Which of the queue's topics stands for what.

use core::hash::BuildHasher;
use std::collections::hash_map::RandomState;

use super::resource::TypeUrl;
use super::view::ViewId;
use crate::topics::Topic;

/// Hashes views, types and names into a fixed number of topics. What collides is told of one another's changes,
/// finds nothing in common, and sends nothing.
pub(super) struct TopicSpace {
    count: u32,
    /// Random, so that nobody can choose names that collide.
    hasher: RandomState,
}

impl TopicSpace {
    pub(super) fn new(count: u32) -> Self {
        TopicSpace { count: count.max(1), hasher: RandomState::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    fn topic(&self, kind: u8, view: &ViewId, type_url: &str, name: &str) -> Topic {
        let hash = self.hasher.hash_one((kind, &**view, type_url, name));
        Topic((hash % u64::from(self.count)) as u32)
    }

    /// Every client of the view.
    pub(super) fn view(&self, view: &ViewId) -> Topic {
        self.topic(0, view, "", "")
    }

    /// Whoever is subscribed to anything of the type.
    pub(super) fn all(&self, view: &ViewId, type_url: &TypeUrl) -> Topic {
        self.topic(1, view, type_url, "")
    }

    /// Whoever is subscribed to the type as a whole.
    pub(super) fn wildcard(&self, view: &ViewId, type_url: &TypeUrl) -> Topic {
        self.topic(2, view, type_url, "")
    }

    /// Whoever is subscribed to the name.
    pub(super) fn name(&self, view: &ViewId, type_url: &TypeUrl, name: &str) -> Topic {
        self.topic(3, view, type_url, name)
    }
}
