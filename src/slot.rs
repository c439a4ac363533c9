//! The four bits of a client's slot, and every transition between them: pure, without atomics.
//!
//! A bank is one machine word that holds four planes; bit *i* of each plane belongs to slot *i*.
//! On a 64-bit target a plane has 16 bits, on a 32-bit target 8:
//!
//! ```text
//!     63        48 47        32 31        16 15         0
//!     |   live   |   active   |   normal   |   urgent   |
//! ```
//!
//! | live | active | urgent or normal | state |
//! | --- | --- | --- | --- |
//! | 0 | 0 | 0 | vacant |
//! | 1 | 0 | 0 | idle |
//! | 1 | 0 | 1 | queued |
//! | 1 | 1 | 0 | in progress |
//! | 1 | 1 | 1 | in progress, more pending |
//! | 0 | 1 | 0 | held: being prepared for a newcomer, or leaving |
//! | 0 | · | 1 | never: marks are made only on live slots |
//!
//! ```text
//!           1 reserve           2 admit
//!     vacant ───────────► held ─────────► idle ◄──────────┐
//!        ▲                 ▲               │ 3 mark       │ 5 release
//!        │ 8 retire        │ 7 vacate      ▼    4 claim   │
//!        └──── held ◄──────┴──────────── queued ─────► in progress
//!                                          ▲              │ 3 mark
//!                                          │ 5 release    ▼
//!                                          └────── in progress, more pending
//!                                            6 requeue (also from in progress)
//! ```
//!
//! The holder of the active bit owns the slot's plain data. No other thread touches it.

/// How many slots share one bank: a quarter of the machine word's bits.
///
/// 16 on a 64-bit target, 8 on a 32-bit one.
pub const SLOTS: usize = (usize::BITS / 4) as usize;

/// Every slot of a bank, as a mask of one plane.
pub(crate) const ALL: usize = (1 << SLOTS) - 1;

const URGENT: usize = 0;
const NORMAL: usize = SLOTS;
const ACTIVE: usize = 2 * SLOTS;
const LIVE: usize = 3 * SLOTS;

/// How soon a publish is to be served: urgent work goes first, normal work is never starved.
///
/// An urgent publish does not overtake a push in progress to the same client: it waits for its end.
/// A handler can look at [`Lease::is_superseded`](crate::Lease::is_superseded) and give way.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(2));
/// let (one, other) = (queue.register()?, queue.register()?);
/// queue.publish(one, Lane::Normal, ())?;
/// queue.publish(other, Lane::Urgent, ())?;
/// assert_eq!(queue.try_lease().expect("ready").key(), other);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Served before normal work, up to a configured ratio (see
    /// [`Config::urgent_ratio`](crate::Config::urgent_ratio)).
    Urgent,
    /// Served when no urgent work waits, and at least once in every `urgent_ratio + 1` leases.
    Normal,
}

impl Lane {
    /// The lane for a publish that concerns `audience` of `clients` clients: urgent if that is at
    /// most 16 clients, or one client in 16.
    ///
    /// A change for a few then doesn't wait behind the pushes of a change for everybody. The
    /// [ratio](crate::Config::urgent_ratio) of the lanes bounds what it costs the others.
    ///
    /// ```
    /// use pushlane::Lane;
    ///
    /// assert_eq!(Lane::for_audience(20, 10_000), Lane::Urgent);
    /// assert_eq!(Lane::for_audience(9_000, 10_000), Lane::Normal);
    /// assert_eq!(Lane::for_audience(3, 3), Lane::Urgent, "served in no time");
    /// ```
    #[must_use]
    pub const fn for_audience(audience: usize, clients: usize) -> Lane {
        const FEW: usize = 16;
        if audience <= FEW || audience <= clients / FEW { Lane::Urgent } else { Lane::Normal }
    }

    pub(crate) const BOTH: [Lane; 2] = [Lane::Urgent, Lane::Normal];

    #[inline]
    const fn shift(self) -> usize {
        match self {
            Lane::Urgent => URGENT,
            Lane::Normal => NORMAL,
        }
    }

    /// The lane that is not this one.
    #[inline]
    pub(crate) const fn other(self) -> Lane {
        match self {
            Lane::Urgent => Lane::Normal,
            Lane::Normal => Lane::Urgent,
        }
    }
}

/// A bank's word as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(usize);

/// What [`Snapshot::mark`] does to a bank.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) next: Snapshot,
    /// The slots that now carry the lane's bit: those of the mask that are live.
    pub(crate) marked: usize,
    /// The slots that could not be served in this lane before and can be now.
    pub(crate) ready: usize,
}

impl Marked {
    /// Whether a lease of this slot is going on, which had been claimed before the mark.
    #[inline]
    pub(crate) const fn in_progress(self, slot: usize) -> bool {
        self.next.active() & 1 << slot != 0
    }
}

/// What [`Snapshot::claim`] does to a bank.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) next: Snapshot,
    /// The claimed slots. At least one.
    pub(crate) slots: usize,
    /// Of them, those that were pending in the urgent lane.
    pub(crate) urgent: usize,
    /// The slots of the mask that are still ready in the lane that was asked for.
    pub(crate) rest: usize,
}

impl Claimed {
    /// The most urgent lane in which a claimed slot was pending.
    #[inline]
    pub(crate) const fn lane(&self, slot: usize) -> Lane {
        if self.urgent & (1 << slot) != 0 { Lane::Urgent } else { Lane::Normal }
    }
}

/// What [`Snapshot::release`] and [`Snapshot::requeue`] do to a bank.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) next: Snapshot,
    /// The slots whose clients have left: the owner keeps them, and retires them.
    pub(crate) leaving: usize,
    /// The slots that can be served again at once, in each lane.
    pub(crate) urgent: usize,
    pub(crate) normal: usize,
}

impl Released {
    /// The slots that can be served again at once, in either lane.
    #[inline]
    pub(crate) const fn ready(self) -> usize {
        self.urgent | self.normal
    }
}

/// What [`Snapshot::vacate`] does to a bank.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vacated {
    pub(crate) next: Snapshot,
    /// The active bit was free: the caller owns the slot now, and retires it.
    pub(crate) owned: bool,
}

impl Snapshot {
    /// A bank whose slots are all vacant.
    pub(crate) const VACANT: Snapshot = Snapshot(0);

    #[inline]
    pub(crate) const fn from_word(word: usize) -> Self {
        Snapshot(word)
    }

    #[inline]
    pub(crate) const fn word(self) -> usize {
        self.0
    }

    #[inline]
    const fn plane(self, shift: usize) -> usize {
        (self.0 >> shift) & ALL
    }

    #[inline]
    pub(crate) const fn live(self) -> usize {
        self.plane(LIVE)
    }

    #[inline]
    const fn active(self) -> usize {
        self.plane(ACTIVE)
    }

    #[inline]
    const fn pending(self) -> usize {
        self.plane(URGENT) | self.plane(NORMAL)
    }

    /// The slots that can be leased through `lane` now.
    #[inline]
    pub(crate) const fn ready(self, lane: Lane) -> usize {
        self.plane(lane.shift()) & !self.active()
    }

    /// The live slots that are queued or in progress: those that may hold convergence back.
    pub(crate) const fn busy(self) -> usize {
        self.live() & (self.active() | self.pending())
    }

    /// The live slots that are marked: queued, or in progress with more pending.
    pub(crate) const fn waiting(self) -> usize {
        self.live() & self.pending()
    }

    /// Of these, those that are marked in one lane.
    pub(crate) const fn waiting_in(self, lane: Lane) -> usize {
        self.live() & self.plane(lane.shift())
    }

    /// The live slots to which a push is in progress.
    pub(crate) const fn in_progress(self) -> usize {
        self.live() & self.active()
    }

    /// The slots that are neither in use nor held.
    #[inline]
    pub(crate) const fn vacant(self) -> usize {
        !(self.live() | self.active()) & ALL
    }

    /// Whether the slot has been marked since it was claimed.
    pub(crate) const fn is_pending(self, slot: usize) -> bool {
        self.pending() & (1 << slot) != 0
    }

    #[inline]
    const fn with(self, mask: usize, shift: usize) -> Self {
        Snapshot(self.0 | (mask << shift))
    }

    #[inline]
    const fn without(self, mask: usize, shift: usize) -> Self {
        Snapshot(self.0 & !(mask << shift))
    }

    /// Takes vacant slots out of use.
    pub(crate) const fn hold(self, mask: usize) -> Self {
        self.with(mask & self.vacant(), ACTIVE)
    }

    /// 1. vacant → held: the lowest vacant slot, for a newcomer to prepare. `None` when there is
    ///    none.
    pub(crate) const fn reserve(self) -> Option<(Snapshot, usize)> {
        let vacant = self.vacant();
        if vacant == 0 {
            return None;
        }
        let slot = vacant.trailing_zeros() as usize;
        Some((self.with(1 << slot, ACTIVE), slot))
    }

    /// 2. held → idle, or queued when the newcomer starts with a request.
    pub(crate) const fn admit(self, slot: usize, pending: Option<Lane>) -> Snapshot {
        let bit = 1 << slot;
        let next = self.with(bit, LIVE).without(bit, ACTIVE);
        match pending {
            Some(lane) => next.with(bit, lane.shift()),
            None => next,
        }
    }

    /// 3. idle → queued, in progress → in progress with more pending: the live slots of `mask`.
    #[inline]
    pub(crate) const fn mark(self, mask: usize, lane: Lane) -> Marked {
        let marked = mask & self.live();
        let next = self.with(marked, lane.shift());
        Marked { next, marked, ready: marked & !self.plane(lane.shift()) & !self.active() }
    }

    /// 4. queued → in progress: the lowest slots of `mask` that are ready in `lane`, `most` at
    ///    most. Both lanes' bits are cleared, because a lease takes all that is pending. `None`
    ///    when none is ready.
    #[inline]
    pub(crate) const fn claim(self, mask: usize, lane: Lane, most: usize) -> Option<Claimed> {
        let ready = self.ready(lane) & mask;
        if ready == 0 {
            return None;
        }
        let slots = lowest(ready, most);
        // The lane's bits are set and the active ones are not, so one step changes both: each step
        // here is one between the load of the word and its exchange.
        let next = Snapshot(self.0 ^ slots << lane.shift() ^ slots << ACTIVE);
        Some(Claimed {
            next: next.without(slots, lane.other().shift()),
            slots,
            urgent: self.plane(URGENT) & slots,
            rest: ready & !slots,
        })
    }

    /// 5. in progress → idle, in progress with more pending → queued: those slots of `mask` that
    ///    are live.
    #[inline]
    pub(crate) const fn release(self, mask: usize) -> Released {
        let back = mask & self.live();
        Released {
            next: self.without(back, ACTIVE),
            leaving: mask & !back,
            urgent: self.plane(URGENT) & back,
            normal: self.plane(NORMAL) & back,
        }
    }

    /// 6. in progress → queued: the lease gives its work back.
    pub(crate) const fn requeue(self, slot: usize, lane: Lane) -> Released {
        let bit = 1 << slot;
        self.with(bit & self.live(), lane.shift()).release(bit)
    }

    /// 7. any live state → held: the client leaves. Its owner, or else the caller, retires the
    ///    slot.
    pub(crate) const fn vacate(self, slot: usize) -> Vacated {
        let bit = 1 << slot;
        let next = self.without(bit, LIVE).without(bit, URGENT).without(bit, NORMAL);
        Vacated { next: next.with(bit, ACTIVE), owned: self.active() & bit == 0 }
    }

    /// 8. held → vacant.
    pub(crate) const fn retire(self, slot: usize) -> Snapshot {
        self.without(1 << slot, ACTIVE)
    }
}

/// The slots of bank number `bank` that lie beyond a capacity of `clients`.
pub(crate) const fn beyond(bank: usize, clients: usize) -> usize {
    let inside = clients.saturating_sub(bank * SLOTS);
    if inside >= SLOTS { 0 } else { ALL & (ALL << inside) }
}

/// The lowest slots of a mask, `most` at most; at least one, if there is one.
#[inline]
pub(crate) const fn lowest(mask: usize, most: usize) -> usize {
    if most == 1 {
        return mask & mask.wrapping_neg();
    }
    let mut rest = mask & mask.wrapping_sub(1);
    let mut taken = 1;
    while rest != 0 && taken < most {
        rest &= rest - 1;
        taken += 1;
    }
    mask & !rest
}

/// The slots of a mask, lowest first.
pub(crate) fn slots(mask: usize) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    core::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let slot = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(slot)
    })
}

#[cfg(test)]
mod tests;
