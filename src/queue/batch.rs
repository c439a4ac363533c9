//! Several pushes begun together, and ended together: one compare-exchange a bank each time.

use super::PushQueue;
use super::serve::{LOOKS, Ticket};
use crate::backlog::Backlog;
use crate::ready::lane::Served;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::{Claimed, SLOTS, slots};
use crate::storage::Storage;
use crate::unwind::{OnDrop, drop_each};

/// The pushes of a batch, each at the index of its slot. All of one bank.
pub(crate) type Entries<P> = [Option<(Ticket, P)>; SLOTS];

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Begins up to `most` pushes.
    pub(crate) fn begin_many(&self, most: usize, batch: &mut Entries<B::Payload>) {
        for _ in 0..LOOKS {
            let (most, counted) = (most.min(SLOTS), self.limiter.binds());
            let permits = if counted { self.limiter.try_acquire(most) } else { most };
            if permits == 0 {
                return;
            }
            let begun = self.claim_together(permits, counted, batch);
            if begun > 0 {
                if counted && permits > begun {
                    // A worker that failed to get these meanwhile may sleep by now.
                    self.end(0, permits - begun);
                }
                return;
            }
            if counted {
                self.limiter.release(permits);
            }
            // As in the lease of one: while the permits were out, work may have come.
            if self.nothing_ready() {
                return;
            }
        }
        self.signal.ready(1);
    }

    /// Claims until there is something to push, and says how much. The caller holds the permits.
    fn claim_together(
        &self,
        permits: usize,
        counted: bool,
        batch: &mut Entries<B::Payload>,
    ) -> usize {
        loop {
            let Some(Served { bank, claimed, .. }) = self.claim(permits) else { return 0 };
            let (mut begun, mut unused) = (0, if counted { permits } else { 0 });
            // After the claim. Once for all: publishers write where this is read.
            let seen = self.convergence.newest();
            for slot in slots(claimed.slots) {
                // `take` sees to this slot and its permit, also if it panics.
                unused -= usize::from(counted);
                let later = claimed.slots & usize::MAX << slot << 1;
                let on_panic = OnDrop(|| self.give_back_rest(bank, &claimed, later, unused));
                let place = Place { bank, slot };
                let (ticket, payload) = self.take(place, claimed.lane(slot), seen, counted);
                if payload.is_none() {
                    self.finish_empty(&ticket, counted.into());
                }
                core::mem::forget(on_panic);
                match payload {
                    Some(payload) => {
                        batch[slot] = Some((ticket, payload));
                        begun += 1;
                    }
                    None => unused += usize::from(counted),
                }
            }
            if begun > 0 {
                return begun;
            }
        }
    }

    /// Claimed slots that have not been taken yet, and unused permits: they go back if taking what
    /// is pending for another slot panics.
    #[cold]
    fn give_back_rest(&self, bank: usize, claimed: &Claimed, rest: usize, permits: usize) {
        let (mut ready, mut leaving) = (0, 0);
        for slot in slots(rest) {
            let released = self.give_back(Place { bank, slot }, claimed.lane(slot));
            ready |= released.ready();
            leaving |= released.leaving;
        }
        self.end(ready, permits);
        self.retire_each(bank, leaving);
    }

    /// Completes the pushes of a batch.
    pub(crate) fn complete_many(&self, batch: &mut Entries<B::Payload>) {
        // Out of the batch first: whatever panics below, nothing is given back that has been
        // completed.
        let batch = core::mem::replace(batch, [const { None }; SLOTS]);
        let (mut bank, mut ended, mut permits) = (None, 0, 0);
        for (ticket, _) in batch.iter().flatten() {
            let Place { slot, bank: of } = ticket.place();
            permits += usize::from(ticket.counted);
            self.complete_slot(ticket);
            bank = Some(of);
            ended |= 1 << slot;
        }
        let Some(bank) = bank else { return };
        let released = self.hand_back(bank, self.banks()[bank].release(ended));
        self.end(released.ready(), permits);
        self.signal.progress();
        // Destructors last: one that panics harms nobody else.
        let _retire = OnDrop(|| self.retire_each(bank, released.leaving));
        drop_each(batch);
    }
}
