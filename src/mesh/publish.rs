//! The mesh over the queue: publish a change, follow a scope.

use super::{Change, Directory, PushRequest, Resubscription, Step};
use crate::backlog::Backlog;
use crate::storage::Storage;
use crate::{ClientKey, PublishError, PushQueue, Signal, SubscribeError, Version};

impl Change {
    /// Publishes the change to its [recipients](Directory::recipients), in its lane.
    ///
    /// Make the change readable in the configuration first: see [`Directory`].
    ///
    /// `queue` may keep its requests as [`PushRequest`]s or as `Arc`s of them.
    ///
    /// # Errors
    ///
    /// Those of [`PushQueue::publish`]: the queue is closed, or has fewer topics than the directory
    /// was made for. The error gives the request back.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, backlog::Locked};
    /// use pushlane::mesh::{
    ///     ClientScope, ConfigKey, Dependencies, Directory, Isolation, PushRequest, Resubscription, ScopeSet,
    ///     config_change,
    /// };
    ///
    /// let queue = PushQueue::<Locked<PushRequest>>::new(Config::new(10).topics(100));
    /// let mut directory = Directory::new(100, Isolation::Namespace)?;
    ///
    /// let scope = ClientScope::new(Dependencies {
    ///     namespaces: ["books".into()].into(),
    ///     kinds: ScopeSet::All,
    ///     ..Dependencies::nothing()
    /// });
    /// let client = queue.register()?;
    /// let subscribed = directory.topics_of(&scope);
    /// Resubscription::between(&[].into(), &subscribed).apply(&queue, client)?;
    ///
    /// config_change(ConfigKey::new("gateway", "shop", "public"), 1).publish(&queue, &directory)?;
    /// assert!(queue.try_lease().is_none(), "no client depends on the shop");
    ///
    /// let version = config_change(ConfigKey::new("gateway", "books", "public"), 2).publish(&queue, &directory)?;
    /// let lease = queue.try_lease().expect("the client depends on books");
    /// if let Some(request) = scope.filtered(lease.request()) {
    ///     assert!(request.namespaces().unwrap().contains("books")); // compute and send
    /// }
    /// lease.complete();
    /// assert!(queue.is_converged(version));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish<B, S, N>(
        self,
        queue: &PushQueue<B, S, N>,
        directory: &Directory,
    ) -> Result<Version, PublishError<B::Request>>
    where
        B: Backlog<Request: From<PushRequest>>,
        S: Storage,
        N: Signal,
    {
        let recipients = directory.recipients(&self.request);
        queue.publish(recipients.target(), self.lane, self.request)
    }
}

impl Resubscription {
    /// Makes the [steps](Self::steps) on `queue`, for `client`.
    ///
    /// # Errors
    ///
    /// Those of [`PushQueue::subscribe`]. The steps before the one that failed are made; since new
    /// topics come first, the client is then subscribed to too much rather than too little, unless
    /// it has left.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, SubscribeError, Topic, backlog::Dirty};
    /// use pushlane::mesh::Resubscription;
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10).topics(2));
    /// let client = queue.register()?;
    /// Resubscription::between(&[].into(), &[Topic(1)].into()).apply(&queue, client)?;
    /// assert_eq!(
    ///     Resubscription::between(&[].into(), &[Topic(2)].into()).apply(&queue, client),
    ///     Err(SubscribeError::UnknownTopic(Topic(2)))
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply<B, S, N>(
        &self,
        queue: &PushQueue<B, S, N>,
        client: ClientKey,
    ) -> Result<(), SubscribeError>
    where
        B: Backlog,
        S: Storage,
        N: Signal,
    {
        self.steps().try_for_each(|step| match step {
            Step::Subscribe(topic) => queue.subscribe(client, topic),
            Step::Unsubscribe(topic) => queue.unsubscribe(client, topic),
        })
    }
}
