//! One queue and its reference side by side: each operation is done to both, and its results are
//! compared.

use std::collections::HashSet;
use std::sync::Weak;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use pushlane::backlog::{Backlog, Dirty};
use pushlane::storage::Storage;
use pushlane::{
    Batch, ClientKey, Config, Lane, Lease, Permit, PushQueue, RegisterError, Scope, Stale, Target,
    Tracker, Version, VersionSet,
};

use super::kinds::{Change, Counted, Kind};
use super::ops::{End, Op, Sizes, TOPICS, To, Who};
use super::reference::{Reference, Whom};

pub(crate) type Agreed = Result<(), TestCaseError>;
type Queue<K, S> = PushQueue<<K as Kind>::Backlog, S>;
type Tracked<'q, K, S> = Tracker<&'q Queue<K, S>, VersionSet>;

impl Sizes {
    pub(crate) const fn config(self) -> Config {
        Config::new(self.clients)
            .topics(TOPICS as usize)
            .permits(self.permits)
            .urgent_ratio(self.urgent_ratio)
    }
}

pub(crate) fn run<K: Kind, S: Storage>(queue: &Queue<K, S>, sizes: Sizes, ops: &[Op]) -> Agreed {
    let mut pair = Pair::<K, S>::new(queue, sizes);
    for op in ops {
        pair.apply(op)?;
        pair.agree()?;
    }
    pair.drain()?;
    pair.leave()
}

pub(crate) struct Pair<'q, K: Kind, S: Storage>
where
    K::Backlog: Backlog,
{
    pub(crate) queue: &'q Queue<K, S>,
    pub(crate) reference: Reference,
    /// Every key ever given out, and some of another queue.
    pub(crate) keys: Vec<ClientKey>,
    /// Each as a set, and most as they were returned.
    pub(crate) versions: Vec<(Option<Version>, VersionSet)>,
    /// One for each version, with the number of its recipients.
    pub(crate) trackers: Vec<(Tracked<'q, K, S>, usize)>,
    /// The last version of a publish to many.
    numbered: Option<Version>,
    pub(crate) leases: Vec<Lease<&'q Queue<K, S>>>,
    pub(crate) batches: Vec<Batch<&'q Queue<K, S>>>,
    pub(crate) permits: Vec<Permit<&'q Queue<K, S>>>,
    pub(crate) requests: Vec<Weak<Counted>>,
}

/// Keys that the queue under test has not given out: a generation and places that it may not have.
fn foreign_keys() -> impl Iterator<Item = ClientKey> {
    let other = PushQueue::<Dirty>::new(Config::new(100));
    let keys: Vec<_> = (0..100).map(|_| other.register().unwrap()).collect();
    [44, 47, 48, 99].into_iter().map(move |place| keys[place])
}

fn chosen<T>(things: &[T], choice: usize) -> Option<usize> {
    (!things.is_empty()).then(|| choice % things.len())
}

impl<'q, K: Kind, S: Storage> Pair<'q, K, S> {
    fn new(queue: &'q Queue<K, S>, sizes: Sizes) -> Self {
        Pair {
            queue,
            reference: Reference::new(
                sizes.clients,
                TOPICS,
                sizes.permits,
                sizes.urgent_ratio,
                K::OVERTAKES,
            ),
            keys: foreign_keys().collect(),
            versions: Vec::new(),
            trackers: Vec::new(),
            numbered: None,
            leases: Vec::new(),
            batches: Vec::new(),
            permits: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn key(&self, who: Who) -> ClientKey {
        let here = self.reference.registered();
        match who {
            Who::Here(choice) if !here.is_empty() => here[choice % here.len()],
            Who::Here(choice) | Who::Ever(choice) => self.keys[choice % self.keys.len()],
        }
    }

    fn request(&mut self, change: Change) -> <K::Backlog as Backlog>::Request {
        let request = K::request(change);
        self.requests.extend(K::watch(&request));
        request
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Agreed {
        match op {
            Op::Register { clients } => (0..*clients).try_for_each(|_| self.register(None)),
            Op::RegisterWith { lane, change } => self.register(Some((*lane, *change))),
            Op::Unregister(who) => self.unregister(self.key(*who)),
            Op::Subscribe(who, topic) => {
                let key = self.key(*who);
                let expected = self.reference.subscribe(key, *topic);
                prop_assert_eq!(self.queue.subscribe(key, *topic), expected);
                Ok(())
            }
            Op::Unsubscribe(who, topic) => {
                let key = self.key(*who);
                let expected = self.reference.unsubscribe(key, *topic);
                prop_assert_eq!(self.queue.unsubscribe(key, *topic), expected);
                Ok(())
            }
            Op::Publish { to, lane, change } => self.publish(to, *lane, *change),
            Op::PublishEach { to, lane, change } => {
                // No client twice: how often it were recorded for it would depend on the order.
                let mut keys: Vec<_> = to.iter().map(|who| self.key(*who)).collect();
                let mut seen = HashSet::new();
                keys.retain(|key| seen.insert(*key));
                self.publish_each(keys, *lane, *change)
            }
            Op::Lease { times } => (0..*times).try_for_each(|_| self.lease().map(|_| ())),
            Op::LeaseBatch { most } => self.lease_batch(*most),
            Op::EndBatch(choice, end) => {
                if let Some(batch) = chosen(&self.batches, *choice) {
                    let batch = self.batches.remove(batch);
                    self.end_batch(batch, *end);
                }
                Ok(())
            }
            Op::Hot { lane, change, times } => {
                (0..*times).try_for_each(|_| self.lease_a_hot_one(*lane, *change))
            }
            Op::Complete(choice) => {
                self.end(*choice, Reference::complete, Lease::complete);
                Ok(())
            }
            Op::Requeue(choice) => {
                self.end(*choice, Reference::requeue, Lease::requeue);
                Ok(())
            }
            Op::Drop(choice) => {
                self.end(*choice, Reference::requeue, drop);
                Ok(())
            }
            Op::ReleasePermit(choice) => {
                if let Some(lease) = chosen(&self.leases, *choice) {
                    self.leases[lease].release_permit();
                    self.reference.release_permit(self.leases[lease].key());
                }
                Ok(())
            }
            Op::TakePermit(choice) => {
                if let Some(lease) = chosen(&self.leases, *choice) {
                    let permit = self.leases[lease].take_permit();
                    let expected = self.reference.take_permit(self.leases[lease].key());
                    prop_assert_eq!(permit.is_some(), expected);
                    self.permits.extend(permit);
                }
                Ok(())
            }
            Op::ReturnPermit(choice) => {
                if let Some(permit) = chosen(&self.permits, *choice) {
                    drop(self.permits.swap_remove(permit));
                    self.reference.held -= 1;
                }
                Ok(())
            }
            Op::SetLimit(limit) => {
                let before = std::mem::replace(&mut self.reference.limit, *limit);
                prop_assert_eq!(self.queue.set_permits(*limit), before);
                Ok(())
            }
            Op::Barrier => {
                let version = self.queue.barrier();
                self.reference.barrier();
                prop_assert_ne!(self.numbered, Some(version), "a number twice");
                self.numbered = Some(version);
                self.follow(Some(version), version.into())
            }
            Op::Close => {
                self.queue.close();
                self.reference.closed = true;
                Ok(())
            }
        }
    }

    fn register(&mut self, first: Option<(Lane, Change)>) -> Agreed {
        let registered = match first {
            Some((lane, change)) => {
                let request = self.request(change);
                self.queue.register_with(lane, request)
            }
            None => self.queue.register(),
        };
        if self.reference.closed {
            prop_assert_eq!(registered, Err(RegisterError::Closed));
        } else if self.reference.places() == self.reference.capacity {
            prop_assert_eq!(registered, Err(RegisterError::Full));
        } else {
            prop_assert!(registered.is_ok(), "{registered:?} with places left");
            let key = registered.unwrap();
            prop_assert!(key.index() < self.reference.capacity, "{key} is beyond the capacity");
            prop_assert!(!self.reference.holds_place(key.index()), "{key} is somebody's place");
            prop_assert!(!self.keys[4..].contains(&key), "{key} was somebody else's key");
            self.reference.register(key, first);
            self.keys.push(key);
        }
        Ok(())
    }

    pub(crate) fn unregister(&mut self, key: ClientKey) -> Agreed {
        let expected =
            if self.is_mine(key) && self.reference.unregister(key) { Ok(()) } else { Err(Stale) };
        prop_assert_eq!(self.queue.unregister(key), expected);
        Ok(())
    }

    /// The foreign keys have the first generation; a place of this queue can have the same.
    fn is_mine(&self, key: ClientKey) -> bool {
        self.keys[4..].contains(&key)
    }

    fn publish(&mut self, to: &To, lane: Lane, change: Change) -> Agreed {
        let whom = match to {
            To::Everyone => Whom::Everyone,
            To::One(who) => Whom::One(self.key(*who)),
            To::Topics { any, and } => Whom::Topics { any: any.clone(), and: and.clone() },
        };
        self.publish_to(whom, lane, change)
    }

    fn publish_to(&mut self, whom: Whom, lane: Lane, change: Change) -> Agreed {
        let target = match &whom {
            Whom::Everyone => Target::Everyone,
            Whom::One(key) => Target::One(*key),
            Whom::Topics { any, and: None } => Target::Topics(Scope::any(any)),
            Whom::Topics { any, and: Some(and) } => Target::Topics(Scope::any(any).and_any(and)),
            Whom::Busy | Whom::Each(_) => return Ok(()), // published otherwise
        };
        let request = self.request(change);
        let identity = K::identity(&request);
        let published = self.queue.publish(target, lane, request);
        let is_to_one = matches!(target, Target::One(_));
        match self.reference.publish(whom, lane, change) {
            Ok(()) => {
                prop_assert!(published.is_ok(), "{published:?}");
                let version = published.unwrap();
                prop_assert_ne!(self.numbered, Some(version), "a number twice");
                if !is_to_one {
                    self.numbered = Some(version);
                }
                self.follow(Some(version), version.into())?;
            }
            Err(kind) => {
                prop_assert!(published.is_err(), "should have been refused: {kind:?}");
                let refused = published.unwrap_err();
                prop_assert_eq!(refused.kind, kind);
                prop_assert_eq!(K::identity(&refused.request), identity, "not what was given");
            }
        }
        Ok(())
    }

    fn publish_each(&mut self, keys: Vec<ClientKey>, lane: Lane, change: Change) -> Agreed {
        let request = self.request(change);
        let identity = K::identity(&request);
        let published = self.queue.publish_each(&keys, lane, request);
        let stale =
            keys.iter().filter(|key| !self.is_mine(**key) || !self.reference.is_registered(**key));
        let stale = stale.count();
        let mine = keys.into_iter().filter(|key| self.is_mine(*key)).collect();
        match self.reference.publish(Whom::Each(mine), lane, change) {
            Ok(()) => {
                prop_assert!(published.is_ok(), "{published:?}");
                let set = published.unwrap();
                prop_assert_eq!(set.stale(), stale);
                self.follow(None, set)
            }
            Err(kind) => {
                prop_assert!(published.is_err(), "should have been refused: {kind:?}");
                let refused = published.unwrap_err();
                prop_assert_eq!(refused.kind, kind);
                prop_assert_eq!(K::identity(&refused.request), identity, "not what was given");
                Ok(())
            }
        }
    }

    /// The newest version is asked about from now on.
    fn follow(&mut self, version: Option<Version>, set: VersionSet) -> Agreed {
        let tracker = self.queue.track(set.clone());
        let owing = self.reference.owing(self.versions.len());
        for key in owing {
            prop_assert!(tracker.missing().contains(key), "{set:?} is not for {key}");
        }
        let recipients = tracker.recipients();
        if let Some(exactly) = self.reference.recipients(self.versions.len()) {
            prop_assert_eq!(recipients, exactly, "of {:?}", set);
        }
        self.versions.push((version, set));
        self.trackers.push((tracker, recipients));
        Ok(())
    }

    /// True: there was a client to lease.
    pub(crate) fn lease(&mut self) -> Result<bool, TestCaseError> {
        let lease = self.queue.try_lease();
        let Some((lane, ready)) = self.reference.next() else {
            prop_assert!(lease.is_none(), "{lease:?}, and nobody can be leased");
            return Ok(false);
        };
        prop_assert!(lease.is_some(), "nobody leased, and through {lane:?} could be {ready:?}");
        let lease = lease.unwrap();
        let most_urgent = self.begin((lane, &ready), lease.key(), lease.request())?;
        prop_assert_eq!(lease.lane(), most_urgent);
        self.leases.push(lease);
        Ok(true)
    }

    /// A push has begun, to one of `ready`. Returns its most urgent lane.
    fn begin(
        &mut self,
        (lane, ready): (Lane, &HashSet<ClientKey>),
        key: ClientKey,
        payload: &<K::Backlog as Backlog>::Payload,
    ) -> Result<Lane, TestCaseError> {
        prop_assert!(ready.contains(&key), "{key} leased; next are {ready:?}, {lane:?}");
        match self.reference.begin(key, lane) {
            Ok(push) => {
                let content = &push.content;
                let is_owed = K::is_merge_of(payload, content);
                prop_assert!(is_owed, "not what {} is owed: {:?}", key, content);
                Ok(push.lane)
            }
            Err(overtaken) => {
                Err(TestCaseError::fail(format!("{key} was leased past {overtaken} too often")))
            }
        }
    }

    /// A batch leases only clients that as many single leases could have leased.
    fn lease_batch(&mut self, most: usize) -> Agreed {
        let batch = self.queue.try_lease_batch(most);
        if most == 0 || self.reference.next().is_none() {
            prop_assert!(batch.is_none(), "{batch:?}, and nobody can be leased");
            return Ok(());
        }
        prop_assert!(batch.is_some(), "nobody leased of {:?}", self.reference.next());
        let batch = batch.unwrap();
        prop_assert!((1..=most).contains(&batch.len()), "{batch:?}, of {most} at most");
        for (key, payload) in batch.iter() {
            let next = self.reference.next();
            prop_assert!(next.is_some(), "{key} leased without a permit");
            let (lane, ready) = next.unwrap();
            self.begin((lane, &ready), key, payload)?;
        }
        self.batches.push(batch);
        Ok(())
    }

    pub(crate) fn end_batch(&mut self, batch: Batch<&'q Queue<K, S>>, end: End) {
        let keys: Vec<ClientKey> = batch.iter().map(|(key, _)| key).collect();
        let (reference, rest) = (
            &mut self.reference,
            match end {
                End::Apart { taken } => &keys[taken.min(keys.len())..],
                _ => &keys[..],
            },
        );
        match end {
            End::Complete => rest.iter().for_each(|key| reference.complete(*key)),
            _ => rest.iter().for_each(|key| reference.requeue(*key)),
        }
        match end {
            End::Complete => batch.complete(),
            End::Requeue => batch.requeue(),
            End::Drop => drop(batch),
            End::Apart { taken } => self.leases.extend(batch.into_leases().take(taken)),
        }
    }

    /// Serves a client that is dirty again before the push has ended.
    fn lease_a_hot_one(&mut self, lane: Lane, change: Change) -> Agreed {
        if self.lease()? {
            let last = self.leases.len() - 1;
            let whom = Whom::One(self.leases[last].key());
            self.publish_to(whom, lane, change)?;
            self.end(last, Reference::complete, Lease::complete);
        }
        Ok(())
    }

    pub(crate) fn end(
        &mut self,
        choice: usize,
        there: impl FnOnce(&mut Reference, ClientKey),
        here: impl FnOnce(Lease<&'q Queue<K, S>>),
    ) {
        if let Some(lease) = chosen(&self.leases, choice) {
            let lease = self.leases.remove(lease);
            there(&mut self.reference, lease.key());
            here(lease);
        }
    }
}
