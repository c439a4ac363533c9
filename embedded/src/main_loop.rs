//! The main loop: it leases and completes, and does everything else a queue can do, one at a time.

use pushlane::ready::ConstReady;
use pushlane::{ClientKey, Lane, PushQueue, RegisterError, Topic};

use crate::chance::{Chance, SEED};
use crate::ledger::{Ledger, WATCHED};
use crate::moment::Operation;
use crate::payload::Flagged;
use crate::trial::{Held, PERMITS, Queue, Trial, any, choose};
use crate::whom::{TOPICS, Whom};

pub(crate) struct MainLoop<'a, B, R, const BANKS: usize, const WORDS: usize, const CLIENTS: usize>
where
    B: Flagged + 'static,
    R: ConstReady + 'static,
{
    trial: &'a Trial<B, R, BANKS, WORDS, CLIENTS>,
    chance: Chance,
    /// With whether the permit is still in it.
    leases: [Option<(Held<'a, B, R, BANKS, WORDS>, bool)>; PERMITS],
}

impl<'a, B, R, const BANKS: usize, const WORDS: usize, const CLIENTS: usize>
    MainLoop<'a, B, R, BANKS, WORDS, CLIENTS>
where
    B: Flagged + 'static,
    R: ConstReady + 'static,
{
    pub(crate) fn new(trial: &'a Trial<B, R, BANKS, WORDS, CLIENTS>) -> Self {
        let chance = Chance::new(SEED.rotate_left(16));
        MainLoop { trial, chance, leases: [const { None }; PERMITS] }
    }

    fn during<T>(
        &mut self,
        operation: Operation,
        act: impl FnOnce(&'a Queue<B, R, BANKS, WORDS>) -> T,
    ) -> T {
        let outcome =
            self.trial.moments.during(operation, &mut self.chance, || act(&self.trial.queue));
        let held = self.held();
        // What `act` took or gave back is not in `leases` yet.
        let now = self.trial.queue.permits_held();
        assert!(now.abs_diff(held) <= 1, "{now} permits are held, not {held}");
        outcome
    }

    /// How many permits are held. (No interrupt comes outside `during`.)
    fn held(&self) -> usize {
        let own = self.leases.iter().flatten().filter(|(_, permit)| *permit).count();
        own + usize::from(self.trial.is_kept())
    }

    pub(crate) fn step(&mut self) {
        match self.chance.below(64) {
            0..24 => self.lease(),
            24..44 => self.complete(),
            44..48 => self.requeue(),
            48..49 => self.return_permit(),
            49..52 => self.register(),
            52..54 => self.unregister(),
            54..57 => self.subscribe(),
            57..60 => self.unsubscribe(),
            60..62 => self.publish(),
            62 => self.resize(),
            _ => self.ask(),
        }
        // Often, because much that is lost for a moment is found again by the next publish.
        if self.chance.once_in(48) {
            self.be_still();
        }
        let (held, now) = (self.held(), self.trial.queue.permits_held());
        assert!(now == held, "{now} permits are held, not {held}");
        let (taken, limit) = self.trial.shared(|shared| (shared.ledger.taken(), shared.limit));
        assert!(limit == Some(self.trial.queue.permits()), "the limit is not {limit:?}");
        assert!(self.trial.queue.clients() == taken, "places are not conserved");
    }

    fn lease(&mut self) {
        let Some(room) = self.leases.iter().position(Option::is_none) else { return };
        let is_free = || self.trial.queue.permits_held() < self.trial.queue.permits();
        let free = is_free();
        self.trial.ledger(|ledger| ledger.begin_lease());
        self.trial.queue.signal().forget();
        let lease = self.during(Operation::Lease, PushQueue::try_lease);
        self.trial.ledger(Ledger::end_lease);
        // If not, the interrupt has taken the permit or lowered the limit.
        let still_free = is_free();
        let told = self.trial.queue.signal().was_told();
        self.trial.ledger(|ledger| match &lease {
            Some(lease) => ledger.leased(lease.key(), B::flags(lease.request()), false),
            None if free && still_free => ledger.nothing_to_lease(told),
            None => {}
        });
        self.leases[room] = lease.map(|lease| (lease, true));
    }

    /// Takes one of the leases out.
    fn take(&mut self) -> Option<Held<'a, B, R, BANKS, WORDS>> {
        let at = self.chance.below(PERMITS as u32) as usize;
        self.leases[at].take().map(|(lease, _)| lease)
    }

    fn complete(&mut self) {
        if let Some(lease) = self.take() {
            let key = lease.key();
            let leaving = self.trial.ledger(|ledger| ledger.completing(key));
            self.during(Operation::Complete, |_| lease.complete());
            self.trial.ledger(|ledger| ledger.completed(key, leaving));
        }
    }

    fn requeue(&mut self) {
        if let Some(lease) = self.take() {
            let (key, flags) = (lease.key(), B::flags(lease.request()));
            self.trial.ledger(|ledger| ledger.requeueing(key, flags));
            self.during(Operation::Requeue, |_| lease.requeue());
            self.trial.ledger(|ledger| ledger.ended(key));
        }
    }

    fn return_permit(&mut self) {
        let at = self.chance.below(PERMITS as u32) as usize;
        if let Some((mut lease, _)) = self.leases[at].take() {
            self.during(Operation::ReturnPermit, |_| lease.release_permit());
            self.leases[at] = Some((lease, false));
        }
    }

    fn register(&mut self) {
        self.trial.ledger(|ledger| ledger.begin_register());
        let (flags, key) = if self.chance.once_in(2) {
            (0, self.during(Operation::Register, PushQueue::register))
        } else {
            let flags = 1 << self.chance.below(B::FLAGS);
            let key = self.during(Operation::RegisterWith, |queue| {
                queue.register_with(Lane::Normal, B::request(flags))
            });
            (flags, key)
        };
        self.trial.ledger(|ledger| match key {
            Ok(key) => ledger.registered(key, flags),
            Err(RegisterError::Full) => ledger.full(),
            Err(error) => panic!("{error}"),
        });
    }

    fn any(&mut self) -> Option<ClientKey> {
        self.trial.shared(|shared| any(&shared.ledger, &mut self.chance))
    }

    fn unregister(&mut self) {
        if let Some(key) = self.any() {
            self.trial.ledger(|ledger| ledger.begin_unregister(key));
            let left = self.during(Operation::Unregister, |queue| queue.unregister(key));
            assert!(left.is_ok(), "{key} could not be unregistered");
            self.trial.ledger(|ledger| ledger.unregistered(key));
            assert!(self.trial.queue.unregister(key).is_err(), "{key} was unregistered twice");
        }
    }

    fn subscribe(&mut self) {
        let topic = Topic(self.chance.below(TOPICS as u32));
        if let Some(key) = self.any() {
            self.trial.ledger(|ledger| ledger.begin_subscribe(key, topic));
            let done = self.during(Operation::Subscribe, |queue| queue.subscribe(key, topic));
            assert!(done.is_ok(), "{key} could not subscribe");
            self.trial.ledger(|ledger| ledger.subscribed(key));
        }
    }

    fn unsubscribe(&mut self) {
        let topic = Topic(self.chance.below(TOPICS as u32));
        if let Some(key) = self.any() {
            self.trial.ledger(|ledger| ledger.begin_unsubscribe(key, topic));
            let done = self.during(Operation::Unsubscribe, |queue| queue.unsubscribe(key, topic));
            assert!(done.is_ok(), "{key} could not unsubscribe");
            self.trial.ledger(|ledger| ledger.unsubscribed(key));
        }
    }

    fn publish(&mut self) {
        let Some((whom, lane, flags)) = self.trial.shared(choose::<B, CLIENTS>) else { return };
        let operation = match whom {
            Whom::One(_) => Operation::PublishToOne,
            Whom::Topics(..) => Operation::PublishToTopics,
            Whom::Everyone => Operation::PublishToEveryone,
        };
        self.trial.ledger(|ledger| ledger.publishing(whom, flags));
        let published = whom.with_target(|target| {
            self.during(operation, |queue| queue.publish(target, lane, B::request(flags)))
        });
        self.trial.shared(|shared| match published {
            Ok(version) => {
                assert!(shared.last != Some(version), "{version} twice");
                shared.ledger.published_at_last(whom, flags);
                shared.published += 1;
            }
            Err(error) => panic!("{error}"),
        });
    }

    fn resize(&mut self) {
        let limit = 1 + self.chance.below(PERMITS as u32) as usize;
        self.trial.shared(|shared| shared.limit = None);
        self.during(Operation::Resize, |queue| queue.set_permits(limit));
        self.trial.shared(|shared| shared.limit = Some(limit));
    }

    /// Never early, however the question is interrupted.
    fn ask(&mut self) {
        let at = self.chance.below(WATCHED as u32) as usize;
        if let Some(version) = self.trial.ledger(|ledger| ledger.watched(at))
            && self.during(Operation::Converged, |queue| queue.is_converged(version))
        {
            self.trial.ledger(|ledger| ledger.converged(at));
        }
    }

    /// Serves all there is while nothing can be added, and finds that nothing stays.
    pub(crate) fn be_still(&mut self) {
        let queue = &self.trial.queue;
        for _ in 0..4 * PERMITS * PERMITS {
            self.complete();
        }
        assert!(self.leases.iter().all(Option::is_none), "chance left a lease out");
        critical_section::with(|_| {
            queue.set_permits(PERMITS);
            self.trial.shared(|shared| {
                shared.limit = Some(PERMITS);
                self.trial.end_kept(shared);
            });
            loop {
                self.trial.ledger(|ledger| ledger.begin_lease());
                let lease = queue.try_lease();
                self.trial.ledger(Ledger::end_lease);
                let Some(lease) = lease else { break };
                let key = lease.key();
                let leaving = self.trial.ledger(|ledger| {
                    ledger.leased(key, B::flags(lease.request()), false);
                    ledger.completing(key)
                });
                lease.complete();
                self.trial.ledger(|ledger| ledger.completed(key, leaving));
            }
            assert!(queue.permits_held() == 0, "{} permits never came back", queue.permits_held());
            for at in 0..WATCHED {
                if let Some(version) = self.trial.ledger(|ledger| ledger.watched(at)) {
                    assert!(queue.is_converged(version), "{version} never converges");
                }
            }
            self.trial.ledger(|ledger| ledger.still());
        });
    }

    /// Closes the queue, and empties and fills it once more: every place and permit is still there.
    pub(crate) fn finish(&mut self) {
        let queue = &self.trial.queue;
        while let Some(key) = self.any() {
            assert!(queue.unregister(key).is_ok(), "{key} could not be unregistered");
            self.trial.ledger(|ledger| ledger.unregistered(key));
        }
        assert!(queue.clients() == 0, "{} places never came back", queue.clients());
        for _ in 0..CLIENTS {
            assert!(queue.register().is_ok(), "a place was lost");
        }
        assert!(queue.register() == Err(RegisterError::Full), "a place too many");
        queue.close();
        assert!(queue.is_drained() && queue.try_lease().is_none(), "something was left behind");
    }
}
