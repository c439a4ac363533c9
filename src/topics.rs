//! Which clients depend on which topics: for each topic its members, laid out like the banks.
//!
//! A topic's row has one word a bank with three planes, bit *i* of each for slot *i*:
//!
//! * `now`: the client is subscribed;
//! * `left`: it has unsubscribed, and none of its pushes has begun since;
//! * `leaving`: it had unsubscribed when the push in progress began.
//!
//! All three planes reach the client. What it left may have to be *removed* from it, so it stays a
//! member until a push that began afterwards completes. The begin of a lease moves `left` to
//! `leaving`, completion clears `leaving`, requeue touches nothing. The `flags` of a bank say for
//! which slots there is something to move or clear, so a lease without a changed subscription costs
//! one load.
//!
//! A publish to the topic *during* that push may still be pending when the push completes and the
//! membership ends. So that its version doesn't converge early, the client is then `settling` until
//! its next completed push: for convergence, a member of every topic.
//!
//! A client that leaves the queue visits only the rows with members in its bank: see [`summary`].
//!
//! A subscription and a publish that race meet at the topic's gate, a counter that both increment:
//! the publisher before it reads the row, the subscriber after it wrote. The second one sees all
//! that the first did, so either the publisher finds the member or the member finds what was
//! published.

mod scope;
mod summary;

use crate::fan_out::GROUP;
use crate::registry::Place;
use crate::slot::{ALL, SLOTS};
use crate::storage::Storage;
use crate::sync::{AtomicUsize, Ordering, const_fn};

pub use scope::{Scope, Topic};
pub(crate) use summary::Summary;

const NOW: usize = 0;
const LEFT: usize = SLOTS;
const LEAVING: usize = 2 * SLOTS;
/// Only in the flags, which have no use for `NOW`.
const SETTLING: usize = NOW;

/// How many banks are looked at together: on a 64-bit target, a cache line of each row.
const STRIDE: usize = 8;

/// The slots that are reached through a row's word.
const fn reached(word: usize) -> usize {
    (word >> NOW | word >> LEFT | word >> LEAVING) & ALL
}

/// The slot's bit in each of the three planes.
const fn every_plane(slot: usize) -> usize {
    1 << (slot + NOW) | 1 << (slot + LEFT) | 1 << (slot + LEAVING)
}

/// What may be over once a push of the slot completes: that it is leaving a topic, and that it is
/// settling.
const fn ending(slot: usize) -> (usize, usize) {
    (1 << (slot + LEAVING), 1 << (slot + SETTLING))
}

/// One topic's members.
pub(crate) struct Row<S: Storage> {
    gate: AtomicUsize,
    members: S::Banks<AtomicUsize>,
}

impl<S: Storage> Row<S> {
    const_fn! {
        pub(crate) const fn new(members: S::Banks<AtomicUsize>) -> Self {
            Row { gate: AtomicUsize::new(0), members }
        }
    }

    fn word(&self, bank: usize) -> &AtomicUsize {
        &self.members.as_ref()[bank]
    }

    /// The slots of a bank that are reached through the topic. Acquire: with the Release in
    /// `clear`, so that the caller sees what a slot that is not among them has completed.
    pub(crate) fn may_concern(&self, bank: usize) -> usize {
        reached(self.word(bank).load(Ordering::Acquire))
    }

    /// AcqRel: of two that pass, the second sees all that the first did before.
    fn pass_gate(&self) {
        self.gate.fetch_add(1, Ordering::AcqRel);
    }
}

/// All topics' members.
pub(crate) struct Topics<S: Storage> {
    rows: S::Topics<Row<S>>,
    /// For each bank, in the planes `LEFT` and `LEAVING`: the slots for which some row may have
    /// that bit. In the plane `SETTLING`: slots that any version may concern. The owner writes,
    /// except `LEFT`, which an editor sets.
    flags: S::Banks<AtomicUsize>,
    /// The rows that are worth a visit.
    summary: Summary<S>,
}

impl<S: Storage> Topics<S> {
    pub(crate) const fn new(
        rows: S::Topics<Row<S>>,
        flags: S::Banks<AtomicUsize>,
        summary: Summary<S>,
    ) -> Self {
        Topics { rows, flags, summary }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.as_ref().len()
    }

    fn row(&self, topic: Topic) -> Option<&Row<S>> {
        self.rows.as_ref().get(topic.0 as usize)
    }

    /// The first topic of the scope that there is not.
    pub(crate) fn unknown(&self, scope: &Scope<'_>) -> Option<Topic> {
        scope.topics().find(|&topic| self.row(topic).is_none())
    }

    #[inline]
    fn flags(&self, place: Place) -> &AtomicUsize {
        &self.flags.as_ref()[place.bank]
    }

    /// Makes the client a member. False: there is no such topic.
    ///
    /// The caller has begun an edit of the client's seat.
    pub(crate) fn subscribe(&self, place: Place, topic: Topic) -> bool {
        let Some(row) = self.row(topic) else {
            return false;
        };
        let now = 1 << (place.slot + NOW);
        row.word(place.bank).fetch_or(now, Ordering::Relaxed); // the gate orders it
        self.summary.add(place.bank, topic.0 as usize);
        row.pass_gate();
        true
    }

    /// Lets the client leave once it has completed a push. False: there is no such topic.
    ///
    /// The caller has begun an edit of the client's seat.
    pub(crate) fn unsubscribe(&self, place: Place, topic: Topic) -> bool {
        let Some(row) = self.row(topic) else {
            return false;
        };
        let (now, left) = (1 << (place.slot + NOW), 1 << (place.slot + LEFT));
        let word = row.word(place.bank);
        let mut members = word.load(Ordering::Relaxed);
        // In one step, so that there is no moment in which the client can't be reached.
        while members & now != 0 {
            match word.compare_exchange_weak(
                members,
                members & !now | left,
                // With the exchange in `leave`, which may find this bit through
                // another topic's flag. The flag below orders it only for its own readers.
                Ordering::Release,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => {
                    // Also here: the thread that subscribed the client may not have come so far.
                    self.summary.add(place.bank, topic.0 as usize);
                    // Release: with the Acquire in `begin`.
                    self.flags(place).fetch_or(left, Ordering::Release);
                    break;
                }
                Err(other) => members = other,
            }
        }
        true
    }

    /// A push of the client begins. Topics that it has left by now end when the push completes.
    /// Returns whether the completion has anything to do.
    ///
    /// The caller owns the slot.
    #[inline]
    pub(crate) fn begin(&self, place: Place) -> bool {
        let left = 1 << (place.slot + LEFT);
        let (leaving, settling) = ending(place.slot);
        // Relaxed: coherence shows the flag of an unsubscribe that happened before this lease
        // began, and one that comes later waits for the next lease. The other two only the owner
        // changes.
        let flags = self.flags(place).load(Ordering::Relaxed);
        if flags & (left | leaving | settling) == 0 {
            return false;
        }
        if flags & left != 0 {
            self.leave(place);
        }
        true
    }

    #[cold]
    fn leave(&self, place: Place) {
        let (flags, left) = (self.flags(place), 1 << (place.slot + LEFT));
        // Set before the other is cleared, and both before the rows are read: an unsubscribe in
        // between raises its flag again, for the next lease.
        flags.fetch_or(1 << (place.slot + LEAVING), Ordering::Relaxed);
        flags.fetch_and(!left, Ordering::Acquire); // with `unsubscribe`
        self.summary.visit(place.bank, |topics| {
            for row in &self.rows.as_ref()[topics] {
                let word = row.word(place.bank);
                let mut members = word.load(Ordering::Relaxed);
                while members & left != 0 {
                    match word.compare_exchange_weak(
                        members,
                        members & !left | 1 << (place.slot + LEAVING),
                        Ordering::Acquire, // with `unsubscribe`: the push sees what was left
                        Ordering::Relaxed, // tried again
                    ) {
                        Ok(_) => break,
                        Err(other) => members = other,
                    }
                }
            }
            false // forgotten once the push has completed
        });
    }

    /// The push has completed. `is_pending` says, by a read-modify-write of the bank, whether the
    /// client has been marked since the push began.
    ///
    /// The caller owns the slot, and has stored the completed number.
    pub(crate) fn complete(&self, place: Place, is_pending: impl FnOnce() -> bool) {
        let (leaving, settling) = ending(place.slot);
        let flags = self.flags(place);
        // Relaxed: only the owner changes them.
        let before = flags.load(Ordering::Relaxed);
        // What was pending when the last push completed was in this one.
        let mut done = leaving | settling;
        if before & leaving != 0 {
            // Before the rows are cleared: a checker that doesn't find the client there finds it
            // here.
            flags.fetch_or(settling, Ordering::Relaxed);
            self.clear(place, leaving);
            // A publisher that marks the client after this look sees the rows cleared: its publish
            // doesn't concern the client any more.
            if is_pending() {
                done = leaving;
            }
        }
        // Release: with the Acquire in `may_concern`, which then sees the completed number.
        flags.fetch_and(!done, Ordering::Release);
    }

    /// The client has left: nothing of it stays.
    ///
    /// The caller retires the slot.
    pub(crate) fn retire(&self, place: Place) {
        self.clear(place, every_plane(place.slot));
        self.flags(place).fetch_and(!every_plane(place.slot), Ordering::Relaxed);
    }

    fn clear(&self, place: Place, planes: usize) {
        self.summary.visit(place.bank, |topics| {
            let rows = &self.rows.as_ref()[topics];
            let members = rows.iter().fold(0, |all, row| {
                let word = row.word(place.bank);
                let mut members = word.load(Ordering::Relaxed);
                // Load first: an unset bit costs no write. No other thread sets these planes
                // meanwhile.
                if members & planes != 0 {
                    // Release: with `may_concern`.
                    members = word.fetch_and(!planes, Ordering::Release) & !planes;
                }
                all | members
            });
            members == 0
        });
    }

    /// Passes the gates of the scope's topics; afterwards `visit` finds every earlier member.
    pub(crate) fn pass_gates(&self, scope: &Scope<'_>) {
        for row in scope.topics().filter_map(|topic| self.row(topic)) {
            row.pass_gate();
        }
    }

    /// Whom a topic reaches: for each group of banks its first, and a mask for each of them.
    ///
    /// The caller has passed the topic's gate.
    pub(crate) fn reached(
        &self,
        topic: Topic,
    ) -> impl Iterator<Item = (usize, impl ExactSizeIterator<Item = usize> + Clone)> {
        let members = self.row(topic).map_or(&[][..], |row| row.members.as_ref());
        let groups = (0..).step_by(GROUP).zip(members.chunks(GROUP));
        groups.map(|(first, group)| {
            let load = |word: &AtomicUsize| {
                let word = word.load(Ordering::Relaxed); // the gate has ordered it
                // Few words have a member that has left.
                if word <= ALL { word } else { reached(word) }
            };
            (first, group.iter().map(load))
        })
    }

    /// Whether a client of this place is subscribed to a topic that there is. A hint: an edit may
    /// be under way.
    pub(crate) fn has(&self, place: Place, topic: Topic) -> bool {
        let members = |row: &Row<S>| row.word(place.bank).load(Ordering::Relaxed);
        self.row(topic).is_some_and(|row| members(row) & 1 << (place.slot + NOW) != 0)
    }

    /// Calls `visit` with each bank in which the scope reaches a client, in ascending order, and
    /// the mask of those clients.
    #[inline]
    pub(crate) fn visit(
        &self,
        scope: &Scope<'_>,
        banks: usize,
        mut visit: impl FnMut(usize, usize),
    ) {
        // Several words at a time: a small topic has few members, and a bank without any costs
        // little more than a load.
        for first in (0..banks).step_by(STRIDE) {
            let len = STRIDE.min(banks - first);
            let mut words = self.words(scope.any, first, len);
            if words.iter().fold(0, |all, word| all | word) == 0 {
                continue;
            }
            if let Some(filter) = scope.and {
                let allowed = self.words(filter, first, len);
                words = core::array::from_fn(|word| reached(words[word]) & reached(allowed[word]));
            }
            for (bank, mask) in (first..).zip(words.map(reached)) {
                if mask != 0 {
                    visit(bank, mask);
                }
            }
        }
    }

    /// The slots of a bank that a version for any of the topics may concern.
    pub(crate) fn may_concern(&self, topics: &[Topic], bank: usize) -> usize {
        let rows = topics.iter().filter_map(|&topic| self.row(topic));
        // Acquire, and the rows before the flags: with the Release in `complete`. A client that is
        // gone from the rows is settling, or has completed what it got through them.
        let members = rows.fold(0, |all, row| all | row.may_concern(bank));
        let flags = self.flags.as_ref()[bank].load(Ordering::Acquire);
        members | (flags >> SETTLING) & ALL
    }

    /// For each of `len` banks from `first` on, the bits of any of the topics' rows.
    #[inline]
    fn words(&self, topics: &[Topic], first: usize, len: usize) -> [usize; STRIDE] {
        let mut words = [0; STRIDE];
        for row in topics.iter().filter_map(|&topic| self.row(topic)) {
            for (any, word) in words.iter_mut().zip(&row.members.as_ref()[first..first + len]) {
                *any |= word.load(Ordering::Relaxed); // the gate has ordered it
            }
        }
        words
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
