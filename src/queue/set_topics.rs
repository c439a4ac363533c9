//! A client's topics, all at once.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::error::SubscribeError;
use crate::registry::ClientKey;
use crate::signal::Signal;
use crate::storage::Storage;
use crate::topics::Topic;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Subscribes the client to these topics and to no others.
    ///
    /// The new topics come before the first old one goes: a publish in between, for something that
    /// moves from an old topic to a new one, finds the client in one of them. As after
    /// [`unsubscribe`](PushQueue::unsubscribe), what is published to an old topic goes on reaching
    /// the client until its next push has completed.
    ///
    /// Takes a load for each topic that there is. Two calls for one client at the same time may
    /// leave it subscribed to some topics of either.
    ///
    /// # Errors
    ///
    /// [`UnknownTopic`](SubscribeError::UnknownTopic) if the queue has fewer topics: then nothing
    /// has changed. [`Stale`](SubscribeError::Stale) if the client has left.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10).topics(3));
    /// let client = queue.register()?;
    /// queue.set_topics(client, &[Topic(0), Topic(1)])?;
    /// queue.set_topics(client, &[Topic(1), Topic(2)])?;
    ///
    /// queue.publish(Target::from(Topic(2)), Lane::Normal, ())?;
    /// queue.try_lease().expect("it is subscribed").complete();
    /// queue.publish(Target::from(Topic(0)), Lane::Normal, ())?;
    /// assert!(queue.try_lease().is_none(), "not any more");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_topics(&self, client: ClientKey, topics: &[Topic]) -> Result<(), SubscribeError> {
        let unknown = topics.iter().find(|topic| topic.0 as usize >= self.topics());
        if let Some(&topic) = unknown {
            return Err(SubscribeError::UnknownTopic(topic));
        }
        // Also for no topics at all: a key of another queue must not reach into the rows.
        if !self.is_registered(client) {
            return Err(SubscribeError::Stale);
        }
        topics.iter().try_for_each(|&topic| self.subscribe(client, topic))?;
        let all = (0..self.topics()).map(|topic| Topic(topic as u32));
        // If the place has passed on meanwhile, `unsubscribe` refuses.
        all.filter(|&topic| self.topics.has(client.place(), topic) && !topics.contains(&topic))
            .try_for_each(|topic| self.unsubscribe(client, topic))
    }
}
