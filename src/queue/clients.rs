//! Clients come, subscribe, and go.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::error::{RegisterError, Stale, SubscribeError};
use crate::ready::ReadySet;
use crate::registry::{ClientKey, Place};
use crate::signal::Signal;
use crate::slot::Lane;
use crate::storage::Storage;
use crate::topics::Topic;
use crate::unwind::{OnDrop, is_unwinding};

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Gives a client a place. It starts idle: as far as the queue knows it is up to date.
    ///
    /// Register *first*, then read the state that the client is to start from: what is published in
    /// between reaches the client, or was visible to that read. The other way round, it is missed.
    /// Or let the client start with a push: [`register_with`](PushQueue::register_with).
    ///
    /// Takes a constant time, whatever the number of places. Lock-free; and the backlog's lock, to
    /// drop what a publish may have left in the place.
    ///
    /// # Errors
    ///
    /// [`Full`](RegisterError::Full) when every place is taken, [`Closed`](RegisterError::Closed)
    /// after [`close`](PushQueue::close).
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, RegisterError, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(1));
    /// let client = queue.register()?;
    /// assert_eq!(queue.register(), Err(RegisterError::Full));
    /// queue.unregister(client)?;
    /// assert!(queue.register().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register(&self) -> Result<ClientKey, RegisterError> {
        let (key, place) = self.take_place()?;
        self.banks()[place.bank].admit(place.slot, None);
        Ok(key)
    }

    /// Gives a client a place, queued with a first request: "everything", as a rule. Progress is
    /// that of [`register`](PushQueue::register).
    ///
    /// The first push may begin before this returns, so a worker may meet the key before the caller
    /// knows it. `ClientMap::connect` stores a value for the client first.
    ///
    /// If recording the request panics, no place is taken.
    ///
    /// # Errors
    ///
    /// As for [`register`](PushQueue::register).
    pub fn register_with(
        &self,
        lane: Lane,
        request: B::Request,
    ) -> Result<ClientKey, RegisterError> {
        let (key, place) = self.take_place()?;
        // A newcomer leaves before it was admitted: no other thread knows its place.
        let on_panic = OnDrop(|| {
            if self.registry.seat(place).release(key.generation()) {
                self.retire(place);
            }
        });
        let mut recording = self.backlog.begin(request);
        self.backlog.record(&mut recording, self.cells(place.bank), 1 << place.slot);
        // While the place can still be given back: the caller will not learn the key if this
        // panics.
        drop(recording);
        core::mem::forget(on_panic);
        self.banks()[place.bank].admit(place.slot, Some(lane));
        self.lane_queue(lane).set.insert(place.bank);
        // It is a publish as well: closing must see it, or refuse it.
        if self.number().is_none() {
            // The client may have been evicted meanwhile: then it is gone already.
            let _ = self.unregister(key);
            return Err(RegisterError::Closed);
        }
        self.signal.ready(1);
        Ok(key)
    }

    /// A place whose data is ready for a new client; it is not live yet.
    fn take_place(&self) -> Result<(ClientKey, Place), RegisterError> {
        if self.is_closed() {
            return Err(RegisterError::Closed);
        }
        let place = self.registry.reserve(self.banks()).ok_or(RegisterError::Full)?;
        // A publish that was under way when the last client left may have recorded in the cell
        // since. Cleared before the generation changes: a publisher that reads the new generation
        // records after this; one that read the old one finds it changed, and records again.
        let on_panic = OnDrop(|| self.vacate(place));
        self.backlog.clear(self.cells(place.bank), place.slot);
        core::mem::forget(on_panic);
        // Read before the client becomes live: what has a number by now was marked before, without
        // this client. Read later, a publish could mark the client and be numbered in between, and
        // would count as completed.
        let newest = || self.convergence.newest_for_newcomer();
        self.progress(place.bank).start(place.slot, newest);
        let generation = self.registry.seat(place).occupy();
        Ok((self.registry.key_of(place, generation), place))
    }

    /// Takes a client's place away: it has left, or is evicted. It gets no lease any more and holds
    /// no version back, and its key is stale. A push in progress ends as usual.
    ///
    /// The place is free for another client once the push in progress has ended.
    ///
    /// Lock-free; and the backlog's lock, to drop what is pending. If its destructor panics, the
    /// client has left all the same.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it has left already: of several callers, one succeeds.
    pub fn unregister(&self, client: ClientKey) -> Result<(), Stale> {
        let seat = self.registry.seat_of(client).ok_or(Stale)?;
        if !seat.release(client.generation()) {
            return Err(Stale);
        }
        let Place { bank, slot } = client.place();
        let owned = self.banks()[bank].vacate(slot);
        // Destructors last: the client has left even if one panics.
        let _retire = OnDrop(|| self.retire_each(bank, usize::from(owned) << slot));
        self.signal.progress();
        self.signal.interrupted();
        Ok(())
    }

    /// Whether the client is registered. Wait-free.
    pub fn is_registered(&self, client: ClientKey) -> bool {
        self.registry.holds(client)
    }

    /// Lets publishes to `topic` reach the client. Subscribing twice is subscribing once.
    ///
    /// Subscribe *first*, then read the state that the topic stands for, or publish to the client:
    /// what is published to the topic in between reaches the client, or was visible before.
    ///
    /// Lock-free; and the backlog's lock, if the client leaves meanwhile.
    ///
    /// # Errors
    ///
    /// [`Stale`](SubscribeError::Stale) if the client has left,
    /// [`UnknownTopic`](SubscribeError::UnknownTopic) if the queue has fewer topics.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Scope, Target, Topic, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10).topics(2));
    /// let (shop, billing) = (Topic(0), Topic(1));
    /// let client = queue.register()?;
    /// queue.subscribe(client, shop)?;
    ///
    /// queue.publish(Target::Topics(Scope::any(&[billing])), Lane::Normal, ())?;
    /// assert!(queue.try_lease().is_none(), "it doesn't concern the client");
    /// queue.publish(Target::Topics(Scope::any(&[shop])), Lane::Normal, ())?;
    /// assert!(queue.try_lease().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self, client: ClientKey, topic: Topic) -> Result<(), SubscribeError> {
        self.edit(client, topic, |place| self.topics.subscribe(place, topic))
    }

    /// Ends a subscription. Publishes to `topic` go on reaching the client until a push that began
    /// after this has completed, because what it left may have to be removed from it. Usually one
    /// publishes to the client right after this, to tell it. Progress is that of
    /// [`subscribe`](PushQueue::subscribe).
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](PushQueue::subscribe). A topic that the client is not subscribed to is
    /// no error.
    pub fn unsubscribe(&self, client: ClientKey, topic: Topic) -> Result<(), SubscribeError> {
        self.edit(client, topic, |place| self.topics.unsubscribe(place, topic))
    }

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

    fn edit(
        &self,
        client: ClientKey,
        topic: Topic,
        change: impl FnOnce(Place) -> bool,
    ) -> Result<(), SubscribeError> {
        let seat = self.registry.seat_of(client).ok_or(SubscribeError::Stale)?;
        if !seat.begin_edit(client.generation()) {
            return Err(SubscribeError::Stale);
        }
        let known = change(client.place());
        if seat.end_edit() {
            self.clear_place(client.place());
        }
        if known { Ok(()) } else { Err(SubscribeError::UnknownTopic(topic)) }
    }

    /// Retires the slot of a client that has left. The caller owns the slot.
    pub(super) fn retire(&self, place: Place) {
        if self.registry.seat(place).retire() {
            self.clear_place(place);
        }
    }

    /// Retires slots of a bank, the others also if a destructor panics for one of them.
    pub(super) fn retire_each(&self, bank: usize, slots: usize) {
        if slots != 0 {
            let _others = OnDrop(|| self.retire_each(bank, slots & (slots - 1)));
            self.retire(Place { bank, slot: slots.trailing_zeros() as usize });
        }
    }

    /// Clears the place and makes it vacant. What a publish records later stays until the next
    /// client comes; so does what is there already while a panic unwinds.
    fn clear_place(&self, place: Place) {
        let _vacate = OnDrop(|| self.vacate(place));
        if !is_unwinding() {
            self.backlog.clear(self.cells(place.bank), place.slot);
        }
    }
    /// Makes a held place vacant.
    fn vacate(&self, place: Place) {
        self.topics.retire(place);
        self.registry.vacate(self.banks(), place);
    }
}
