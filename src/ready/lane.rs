//! One lane's queue: a ready set of banks, and the turn of the bank being served.
//!
//! Fairness is per client, not per bank. When a worker pops a bank, the slots that are ready at
//! that moment become its *turn*: workers serve them one by one before they pop the next bank. A
//! slot that becomes ready during the turn waits for the bank's next one, behind every bank already
//! in the set. So a client is leased at most twice while another client of its lane waits. (Clients
//! that a fan-out on demand has not marked yet don't count: see [`fan_out`](crate::fan_out).)
//!
//! When the set is empty, a newly ready slot joins the current turn, if it comes behind all others
//! there, or starts one. This saves up to three exchanges for a client that is served at once. The
//! publisher reads first and exchanges afterwards, so it may overtake clients that came in between:
//! once for each publisher that is paused there.
//!
//! A ready slot is always reachable: its bank is in the set, or its bit is in the turn, or a worker
//! that has popped the bank or taken the bit is about to look at it.

use super::ReadySet;
use crate::banks::Banks;
use crate::slot::{ALL, Claimed, Lane, SLOTS, lowest};
use crate::storage::Storage;
use crate::sync::{AtomicUsize, Ordering, const_fn};

/// One lane's ready set and turn.
pub(crate) struct LaneQueue<R> {
    pub(crate) set: R,
    /// The bank being served and the slots whose turn it still is: see [`Turn`].
    turn: AtomicUsize,
}

/// What [`LaneQueue::claim`] found.
pub(crate) struct Served {
    pub(crate) bank: usize,
    pub(crate) claimed: Claimed,
    /// How many other slots became visible through this claim. They were hidden while this thread
    /// held the popped bank, so workers that looked then must be notified.
    pub(crate) uncovered: usize,
}

/// A turn as one word: the slots in the low bits, then [`JOINED`], and the bank above. No slots: no
/// turn.
#[derive(Clone, Copy)]
struct Turn(usize);

/// Set if the bank has not been in the set for this turn, so that the set must be told: see
/// [`ReadySet::pass`].
const JOINED: usize = 1 << SLOTS;

impl Turn {
    const fn of_popped(bank: usize, slots: usize) -> Self {
        Turn(bank << (SLOTS + 1) | slots)
    }

    const fn of_joined(bank: usize, slots: usize) -> Self {
        Turn(bank << (SLOTS + 1) | JOINED | slots)
    }

    /// With a slot that is served behind all others of the turn, if that can be.
    const fn joined(self, bank: usize, slot: usize) -> Option<Self> {
        if self.slots() == 0 {
            Some(Turn::of_joined(bank, 1 << slot))
        } else if self.slots() < 1 << slot && self.bank() == bank {
            Some(Turn(self.0 | 1 << slot))
        } else {
            None
        }
    }

    const fn slots(self) -> usize {
        self.0 & ALL
    }

    const fn bank(self) -> usize {
        self.0 >> (SLOTS + 1)
    }

    const fn is_of_joined(self) -> bool {
        self.0 & JOINED != 0
    }

    const fn without(self, slots: usize) -> Self {
        Turn(self.0 & !slots)
    }
}

impl<R: ReadySet> LaneQueue<R> {
    const_fn! {
        pub(crate) const fn new(set: R) -> Self {
            LaneQueue { set, turn: AtomicUsize::new(0) }
        }
    }

    /// Claims the slots of one bank whose turn it is, `most` at most. `None`: nothing was to be
    /// found.
    #[cfg_attr(target_pointer_width = "64", inline(always))] // once for a lease, once for a batch
    pub(crate) fn claim<S: Storage>(
        &self,
        banks: &Banks<S>,
        lane: Lane,
        most: usize,
    ) -> Option<Served> {
        let mut hidden = 0;
        loop {
            if let Some((bank, slots)) = self.take_turn(most) {
                // Not ready any more: leased through the other lane, or its client left.
                let Some(claimed) = banks[bank].claim(slots, lane, most) else { continue };
                return Some(Served { bank, claimed, uncovered: hidden });
            }
            let popped = self.set.pop()?;
            let bank = popped.bank;
            hidden += popped.hidden;
            let Some(claimed) = banks[bank].claim(ALL, lane, most) else { continue };
            let mut uncovered = hidden;
            if claimed.rest != 0 {
                uncovered += claimed.rest.count_ones() as usize;
                if !self.begin(Turn::of_popped(bank, claimed.rest)) {
                    self.set.insert(bank);
                }
            }
            return Some(Served { bank, claimed, uncovered });
        }
    }

    /// Takes the next slots of the turn that is going on.
    #[inline]
    fn take_turn(&self, most: usize) -> Option<(usize, usize)> {
        let mut turn = Turn(self.turn.load(Ordering::Relaxed));
        while turn.slots() != 0 {
            let slots = lowest(turn.slots(), most);
            match self.turn.compare_exchange_weak(
                turn.0,
                turn.without(slots).0,
                Ordering::Acquire, // with `turn_becomes`: the look at the bank sees the mark
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => {
                    // A client that is marked again goes behind those that wait by now.
                    if turn.is_of_joined() && !self.set.is_empty() {
                        self.set.pass(turn.bank());
                    }
                    return Some((turn.bank(), slots));
                }
                Err(now) => turn = Turn(now),
            }
        }
        None
    }

    /// Lets a turn begin, unless one is going on.
    fn begin(&self, turn: Turn) -> bool {
        let over = Turn(self.turn.load(Ordering::Relaxed));
        over.slots() == 0 && self.turn_becomes(over, turn)
    }

    #[inline]
    fn turn_becomes(&self, seen: Turn, next: Turn) -> bool {
        self.turn
            .compare_exchange(
                seen.0,
                next.0,
                Ordering::Release, // with the Acquire in `take_turn`
                Ordering::Relaxed, // the bank goes into the set
            )
            .is_ok()
    }

    /// Puts a newly marked slot at the end of the lane.
    ///
    /// While the set is empty, that is the current turn, or a new one.
    #[inline]
    pub(crate) fn join(&self, bank: usize, slot: usize) {
        let turn = Turn(self.turn.load(Ordering::Relaxed));
        match turn.joined(bank, slot) {
            Some(joined) if self.set.is_empty() && self.turn_becomes(turn, joined) => {}
            _ => self.set.insert(bank),
        }
    }

    /// Whether there is nothing to serve, as far as the caller can know.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: coherence shows what happened before.
        Turn(self.turn.load(Ordering::Relaxed)).slots() == 0 && self.set.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::super::Popped;
    use super::*;
    use crate::bank::Bank;
    use crate::storage::Static;

    /// Pops what the test says, in this order, and then what was inserted.
    struct Script(RefCell<Vec<Popped>>);

    impl ReadySet for Script {
        fn insert(&self, bank: usize) {
            self.0.borrow_mut().push(Popped { bank, hidden: 0 });
        }

        fn pop(&self) -> Option<Popped> {
            let mut script = self.0.borrow_mut();
            (!script.is_empty()).then(|| script.remove(0))
        }

        fn is_empty(&self) -> bool {
            self.0.borrow().is_empty()
        }
    }

    /// Banks with so many ready slots each.
    fn banks<const N: usize>(ready: [usize; N]) -> Banks<Static<N>> {
        let bank = |ready| {
            let bank = Bank::with_held(0);
            for slot in 0..ready {
                assert_eq!(bank.reserve(), Some(slot));
                bank.admit(slot, Some(Lane::Normal));
            }
            bank
        };
        Banks::side_by_side(ready.map(bank))
    }

    #[test]
    fn what_was_hidden_by_looks_in_vain_is_uncovered_in_the_end() {
        let script = [(0, 2), (2, 5), (1, 7)].map(|(bank, hidden)| Popped { bank, hidden });
        let (line, banks) = (LaneQueue::new(Script(RefCell::new(script.into()))), banks([0, 3, 0]));
        let claim = |most| line.claim(&banks, Lane::Normal, most);
        let served = claim(1).expect("of bank 1");
        assert_eq!((served.bank, served.claimed.slots), (1, 0b001));
        assert_eq!(served.uncovered, 14 + 2, "and its neighbours");
        let rest = claim(2).expect("their turn");
        assert_eq!((rest.bank, rest.claimed.slots, rest.uncovered), (1, 0b110, 0));
        assert!(line.is_empty() && claim(1).is_none());
    }

    #[test]
    fn who_comes_while_nobody_waits_needs_no_set() {
        let (line, banks) = (LaneQueue::new(Script(RefCell::default())), banks([4, 1]));
        let claim = |most| {
            let served = line.claim(&banks, Lane::Normal, most)?;
            Some((served.bank, served.claimed.slots, served.uncovered))
        };
        let waiting = || line.set.0.borrow().iter().map(|popped| popped.bank).collect::<Vec<_>>();
        [0, 2, 3].into_iter().for_each(|slot| line.join(0, slot));
        assert_eq!((waiting(), line.is_empty()), (Vec::new(), false));
        assert_eq!(claim(1), Some((0, 0b0001, 0)));
        // Not behind all others: it would be served again before them.
        line.join(0, 1);
        assert_eq!(waiting(), [0]);
        assert_eq!((claim(1), claim(1)), (Some((0, 0b0100, 0)), Some((0, 0b1000, 0))));
        // The turn is over, and somebody waits.
        line.join(1, 0);
        assert_eq!(waiting(), [0, 1]);
        assert_eq!(
            (claim(1), claim(1), claim(1)),
            (Some((0, 0b0010, 0)), Some((1, 0b0001, 0)), None)
        );
        assert!(line.is_empty());
    }

    #[test]
    fn another_banks_turn_is_not_joined() {
        let (line, banks) = (LaneQueue::new(Script(RefCell::default())), banks([1, 3]));
        line.join(0, 0);
        line.join(1, 2);
        assert_eq!(line.set.0.borrow().len(), 1);
        let claim = || {
            line.claim(&banks, Lane::Normal, 2).map(|served| (served.bank, served.claimed.slots))
        };
        assert_eq!(
            [(); 4].map(|()| claim()),
            [Some((0, 1)), Some((1, 0b011)), Some((1, 0b100)), None]
        );
    }

    /// The set is told of a bank that was served without it, if others wait there by then.
    #[test]
    fn who_was_served_without_the_set_goes_behind_those_in_it() {
        #[derive(Default)]
        struct Passed(core::cell::Cell<bool>, RefCell<Vec<usize>>);

        impl ReadySet for Passed {
            fn insert(&self, _: usize) {
                self.0.set(true);
            }

            fn pop(&self) -> Option<Popped> {
                None
            }

            fn pass(&self, bank: usize) {
                self.1.borrow_mut().push(bank);
            }

            fn is_empty(&self) -> bool {
                !self.0.get()
            }
        }

        let (line, banks) = (LaneQueue::new(Passed::default()), banks([0, 0, 4]));
        let claim = || assert!(line.claim(&banks, Lane::Normal, 1).is_some());
        line.join(2, 0);
        claim();
        assert_eq!(*line.set.1.borrow(), [], "nobody waits");
        line.join(2, 1);
        line.set.insert(0);
        claim();
        assert_eq!(*line.set.1.borrow(), [2]);
        // One that was popped has been passed by the set itself.
        assert!(line.begin(Turn::of_popped(2, 0b1100)));
        claim();
        assert_eq!(*line.set.1.borrow(), [2]);
    }

    #[test]
    fn a_turn_is_over_before_the_next_begins() {
        let (line, banks) = (LaneQueue::new(Script(RefCell::default())), banks([2, 2]));
        line.set.insert(0);
        let claim = || line.claim(&banks, Lane::Normal, 1).map(|served| served.bank);
        assert_eq!(claim(), Some(0));
        assert!(!line.is_empty(), "the turn goes on");
        assert!(!line.begin(Turn::of_popped(1, 0b11)), "of bank 0");
        line.set.insert(1);
        assert_eq!([(); 4].map(|()| claim()), [Some(0), Some(1), Some(1), None]);
        assert!(line.is_empty());
    }
}
