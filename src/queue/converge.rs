//! When is a publish done everywhere?

use core::ops::Range;

use super::PushQueue;
use super::expand::where_each;
use crate::backlog::Backlog;
use crate::convergence::Seq;
use crate::recipients::Recipients;
use crate::registry::{ClientKey, Place};
use crate::signal::Signal;
use crate::slot::{ALL, Lane, slots};
use crate::storage::Storage;
use crate::version::Version;
use crate::versions::{Versions, part};

/// How far a wait has come: the clients that it has passed hold nothing back any more.
///
/// It never goes back, so a whole wait is one pass over the banks, and each look beyond that is at
/// one bank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The versions before this one have converged.
    part: usize,
    bank: usize,
    /// The slots of the bank that have not been passed.
    slots: usize,
}

impl Cursor {
    pub(crate) const START: Cursor = Cursor { part: 0, bank: 0, slots: ALL };

    /// Moves on to the next bank.
    fn pass_bank(&mut self) {
        self.bank += 1;
        self.slots = ALL;
    }
}

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Whether every client that `version` concerned has completed it, or has left. Of a
    /// [`VersionSet`](crate::VersionSet): whether that is true of each of its versions.
    ///
    /// Never early. A client may hold a version back for one push more than it must, if
    ///
    /// * one of its leases began or ended during the publish;
    /// * it registered during a publish to everyone;
    /// * it subscribed to a topic of the publish afterwards, and has completed no push since;
    /// * it left such a topic a moment ago, and has other work pending.
    ///
    /// So the answer may be `false` once more after it was `true`. A tracker
    /// ([`track`](PushQueue::track)) doesn't go back.
    ///
    /// A version remembers up to four topics. A publish whose topics and filter are more waits as
    /// if it had no filter; one to more than four topics waits for every busy client.
    ///
    /// Wait-free. One load a bank, and a second one for each client that is busy; one or two in
    /// all for a publish to one client. It stops at the first bank with a laggard. To ask again and
    /// again, use [`track`](PushQueue::track).
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let version = queue.publish(queue.register()?, Lane::Normal, ())?;
    /// assert!(!queue.is_converged(version));
    /// queue.try_lease().expect("ready").complete();
    /// assert!(queue.is_converged(version));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_converged(&self, version: impl Versions) -> bool {
        let mut at = Cursor::START;
        self.advance(&mut at, &version)
    }

    /// The clients that hold `version` back, in the order of their places. Those of a
    /// [`VersionSet`](crate::VersionSet) come in no order, each of them once.
    ///
    /// The state is read while the iterator advances: a client may be done when its key comes out.
    pub fn laggards<V: Versions>(
        &self,
        version: V,
    ) -> impl Iterator<Item = ClientKey> + use<'_, B, S, N, V> {
        // Bank by bank, so that a client that several versions wait for comes once: first those
        // that a number holds back, then those of the pushes.
        let (mut banks, mut bank) = (0..self.banks().len(), usize::MAX);
        let (mut listed, mut held, mut passed) = (0, 0, 0);
        core::iter::from_fn(move || {
            loop {
                if let Some(slot) = slots(held).next() {
                    held &= !(1 << slot);
                    return Some(self.registry.key(Place { bank, slot }));
                }
                match version.pushes().get(passed) {
                    Some(push) if push.client.place().bank == bank => {
                        passed += 1;
                        let one = self.held_in(&push.version(), bank);
                        if one & !listed != 0 {
                            return Some(push.client);
                        }
                    }
                    next => {
                        if version.numbered().is_empty() {
                            banks.start = next?.client.place().bank;
                        }
                        bank = banks.next()?;
                        let numbered = version.numbered().iter();
                        listed = numbered.fold(0, |all, version| all | self.held_in(version, bank));
                        held = listed;
                    }
                }
            }
        })
    }

    /// A version for everything that has been published so far, to whichever clients: once it has
    /// converged, so have all versions that the caller knows of.
    ///
    /// Never early. It is late by one push of a client to which something is published between this
    /// call and the look, also if a look before that found it converged.
    ///
    /// Wait-free, one atomic addition. Works on a closed queue too.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let (one, other) = (queue.register()?, queue.register()?);
    /// queue.publish(Target::One(one), Lane::Normal, ())?;
    /// queue.publish(Target::One(other), Lane::Urgent, ())?;
    ///
    /// let all = queue.barrier();
    /// assert_eq!(queue.laggards(all).count(), 2);
    /// while let Some(lease) = queue.try_lease() {
    ///     lease.complete();
    /// }
    /// assert!(queue.is_converged(all));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn barrier(&self) -> Version {
        Version { number: self.number_all(), recipients: Recipients::Barrier }
    }

    /// Moves on to the first client that holds something back. True: there is none.
    pub(crate) fn advance(&self, at: &mut Cursor, what: &impl Versions) -> bool {
        while let Some(version) = part(what, at.part) {
            let version = self.known(version);
            let banks = self.banks_of(&version);
            // Read before the banks: a visit that has ended has made its marks.
            let unmarked = self.unmarked(&version);
            at.bank = at.bank.max(banks.start);
            while at.bank < banks.end {
                at.slots &= self.held_back(&version, at.bank, unmarked);
                if at.slots != 0 {
                    return false;
                }
                at.pass_bank();
            }
            *at = Cursor { part: at.part + 1, ..Cursor::START };
        }
        true
    }

    /// The banks in which a version can be held back.
    pub(super) fn banks_of(&self, version: &Version) -> Range<usize> {
        match version.recipients {
            Recipients::Client(push) if self.registry.holds(push.client) => {
                let bank = push.client.place().bank;
                bank..bank + 1
            }
            Recipients::Client(_) => 0..0,
            _ => 0..self.banks().len(),
        }
    }

    /// `None`: every client has the marks of what the version waits for. Or a client that is idle
    /// may lack one, unless it has completed this number.
    fn unmarked(&self, version: &Version) -> Option<Seq> {
        let is_pending = |lane| self.fan_out(lane).is_pending();
        match version.recipients {
            Recipients::OnDemand(lane) => is_pending(lane).then_some(version.number),
            Recipients::Barrier => {
                let lanes = Lane::BOTH.into_iter().filter(|&lane| is_pending(lane));
                // The number of the last publish the caller knows of, or a later one.
                lanes.map(|lane| self.fan_out(lane).newest()).max_by(|one, other| one.cmp(*other))
            }
            _ => None,
        }
    }

    /// The version with its number as it compares now.
    pub(super) fn known(&self, version: Version) -> Version {
        match version.recipients {
            Recipients::Client(_) => version,
            _ => Version { number: version.number.known_at(self.convergence.newest()), ..version },
        }
    }

    /// The slots of a bank that hold a version back; none if it lies outside
    /// [`banks_of`](Self::banks_of).
    pub(super) fn held_in(&self, version: &Version, bank: usize) -> usize {
        if self.banks_of(version).contains(&bank) {
            let version = self.known(*version);
            self.held_back(&version, bank, self.unmarked(&version))
        } else {
            0
        }
    }

    /// The slots of a bank that hold a version back. [`unmarked`](Self::unmarked) has been read
    /// before.
    fn held_back(&self, version: &Version, bank: usize, unmarked: Option<Seq>) -> usize {
        let now = self.banks()[bank].load();
        let candidates = match unmarked {
            None => now.busy(),
            Some(number) => {
                let idle = now.live() & !now.busy();
                let progress = self.progress(bank);
                now.busy() | where_each(idle, |slot| !progress.has_completed(slot, number))
            }
        };
        if candidates == 0 {
            return 0;
        }
        let held = where_each(candidates & self.concerned(&version.recipients, bank), |slot| {
            !self.has_delivered(version, Place { bank, slot })
        });
        match version.recipients {
            // The place may have passed to another client, whom the version doesn't concern.
            Recipients::Client(push) if held != 0 && !self.registry.holds(push.client) => 0,
            _ => held,
        }
    }

    /// Whether a place has completed a push that contains the version.
    pub(super) fn has_delivered(&self, version: &Version, place: Place) -> bool {
        let progress = self.progress(place.bank);
        match version.recipients {
            Recipients::Client(push) => progress.has_pushed(place.slot, push.push),
            _ => progress.has_completed(place.slot, version.number),
        }
    }

    /// The slots of a bank that a publish may have concerned.
    pub(super) fn concerned(&self, recipients: &Recipients, bank: usize) -> usize {
        match recipients {
            Recipients::Everyone | Recipients::OnDemand(_) | Recipients::Barrier => ALL,
            Recipients::Client(push) => 1 << push.client.place().slot,
            Recipients::Topics { topics, any, and } => {
                let (any, topics) = (usize::from(*any), &topics[..]);
                let reached = self.topics.may_concern(&topics[..any], bank);
                match and {
                    Some(end) if reached != 0 => {
                        reached & self.topics.may_concern(&topics[any..usize::from(*end)], bank)
                    }
                    _ => reached,
                }
            }
        }
    }
}
