//! Several pushes begun together, and ended together: one compare-exchange a bank each time.

use super::PushQueue;
use super::guards::RetireOnDrop;
use super::serve::{HandedBack, LOOKS, Ticket};
use crate::backlog::Backlog;
use crate::ready::ReadySet;
use crate::ready::lane::Served;
use crate::registry::Place;
use crate::signal::Signal;
use crate::slot::{Claimed, Lane, SLOTS, slots};
use crate::storage::Storage;
use crate::unwind::drop_each;

/// The pushes of a batch, each at the index of its slot. All of one bank.
#[allow(unreachable_pub, reason = "named by a sealed trait")]
pub type Entries<P> = [Option<(Ticket, P)>; SLOTS];

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Begins up to `most` pushes.
    pub(super) fn begin_many(&self, most: usize, batch: &mut Entries<B::Payload>) {
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
            let permits = if counted { permits } else { 0 };
            let mut rest = RestOnDrop { queue: self, bank, claimed, slots: claimed.slots, permits };
            let mut begun = 0;
            // After the claim. Once for all: publishers write where this is read.
            let seen = self.convergence.newest();
            for slot in slots(claimed.slots) {
                // From here on `take` sees to the slot and its permit.
                rest.slots &= !(1 << slot);
                rest.permits -= usize::from(counted);
                match self.take(Place { bank, slot }, claimed.lane(slot), seen, counted) {
                    (ticket, Some(payload)) => {
                        batch[slot] = Some((ticket, payload));
                        begun += 1;
                    }
                    (ticket, None) => {
                        rest.permits += usize::from(counted);
                        self.finish_empty(&ticket, 0);
                    }
                }
            }
            core::mem::forget(rest);
            if begun > 0 {
                return begun;
            }
        }
    }

    /// Completes the pushes of a batch.
    pub(super) fn complete_many(&self, batch: &mut Entries<B::Payload>) {
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
        let released = self.banks()[bank].release_many(ended);
        for (lane, pending) in [(Lane::Urgent, released.urgent), (Lane::Normal, released.normal)] {
            if pending != 0 {
                self.lane_queue(lane).set.insert(bank);
            }
        }
        self.end((released.urgent | released.normal).count_ones() as usize, permits);
        self.signal.progress();
        // Destructors last: one that panics harms nobody else.
        let _retire = RetireOnDrop { queue: self, bank, slots: released.leaving };
        drop_each(batch);
    }
}

/// Claimed slots that have not been taken yet, and unused permits: they go back if taking what is
/// pending for another slot panics.
struct RestOnDrop<'a, B: Backlog, S: Storage, N: Signal> {
    queue: &'a PushQueue<B, S, N>,
    bank: usize,
    claimed: Claimed,
    slots: usize,
    permits: usize,
}

impl<B: Backlog, S: Storage, N: Signal> Drop for RestOnDrop<'_, B, S, N> {
    fn drop(&mut self) {
        let RestOnDrop { queue, bank, claimed, .. } = *self;
        let (mut ready, mut left) = (0, 0);
        for slot in slots(self.slots) {
            let back = queue.give_back(Place { bank, slot }, claimed.lane(slot));
            ready += back.ready();
            left |= usize::from(back == HandedBack::Left) << slot;
        }
        queue.end(ready, self.permits);
        drop(RetireOnDrop { queue, bank, slots: left });
    }
}
