//! Who is next: the lanes by their ratio, each by its line, and fan-outs where a line has nothing.

use super::PushQueue;
use crate::backlog::Backlog;
use crate::ready::lane::Served;
use crate::signal::Signal;
use crate::slot::{Claimed, Lane};
use crate::storage::Storage;
use crate::sync::Ordering;

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// The lane to claim from first: urgent, except for one lease after `urgent_ratio` urgent ones.
    #[inline]
    fn preferred(&self) -> Lane {
        // Relaxed: it only decides the order of service.
        if self.urgent_run.load(Ordering::Relaxed) < self.urgent_ratio {
            Lane::Urgent
        } else {
            Lane::Normal
        }
    }

    #[inline]
    fn count_lane(&self, lane: Lane, claimed: &Claimed) {
        use Ordering::Relaxed; // as in `preferred`
        match lane {
            // Written only where it changes: other workers read it.
            Lane::Normal if self.urgent_run.load(Relaxed) > 0 => self.urgent_run.store(0, Relaxed),
            Lane::Normal => {}
            // The run saturates at the ratio.
            Lane::Urgent if self.urgent_run.load(Relaxed) < self.urgent_ratio => {
                self.urgent_run.fetch_add(claimed.slots.count_ones() as usize, Relaxed);
            }
            Lane::Urgent => {}
        }
    }

    /// Claims clients of one bank and one lane, `most` at most.
    #[cfg_attr(target_pointer_width = "64", inline(always))] // as the line's
    pub(super) fn claim(&self, most: usize) -> Option<Served> {
        // Once, and before the lines: a fan-out that is raised later is not this lease's yet.
        let expanding = Lane::BOTH.into_iter().any(|lane| self.is_expanding(lane));
        if expanding {
            self.expand_if_due();
        }
        if self.preferred() == Lane::Normal {
            // Rebuilt field by field so that the common path stays in registers.
            let Served { bank, claimed, uncovered } = self.claim_normal_first(most)?;
            return Some(Served { bank, claimed, uncovered });
        }
        // Each with a lane that the compiler knows.
        match self.claim_in(Lane::Urgent, most, expanding) {
            None => self.claim_in(Lane::Normal, most, expanding),
            served => served,
        }
    }

    #[cold]
    fn claim_normal_first(&self, most: usize) -> Option<Served> {
        let first = self.claim_in(Lane::Normal, most, true);
        first.or_else(|| self.claim_in(Lane::Urgent, most, true))
    }

    /// As `claim`, of one lane. `expanding`, if some fan-out may have banks still to be visited.
    #[cfg_attr(target_pointer_width = "64", inline(always))] // as the line's
    fn claim_in(&self, lane: Lane, most: usize, expanding: bool) -> Option<Served> {
        let most = if most > 1 { most.min(self.share(lane)) } else { 1 };
        loop {
            if let Some(served) = self.lane_queue(lane).claim(self.banks(), lane, most) {
                self.count_lane(lane, &served.claimed);
                if served.uncovered > 0 {
                    self.signal.ready(served.uncovered);
                }
                return Some(served);
            }
            if !expanding || !self.is_expanding(lane) {
                return None;
            }
            let ready = self.expand(lane)?;
            if ready > 1 {
                self.signal.ready(ready - 1); // this thread looks for the other one
            }
        }
    }

    /// How many leases in a row a lane may have, at least one: what the ratio leaves it while the
    /// other lane has work too.
    fn share(&self, lane: Lane) -> usize {
        // A fan-out that has not been expanded is work of its lane too.
        if self.lane_queue(lane.other()).is_empty() && !self.is_expanding(lane.other()) {
            return usize::MAX;
        }
        match lane {
            // Relaxed: as in `preferred`.
            Lane::Urgent => {
                let urgent_run = self.urgent_run.load(Ordering::Relaxed);
                self.urgent_ratio.saturating_sub(urgent_run).max(1)
            }
            Lane::Normal => 1,
        }
    }

    /// Whether nothing is ready, as far as the caller can know.
    #[inline]
    pub(super) fn nothing_ready(&self) -> bool {
        // The fan-outs before the lines: what is visited by now has been put there.
        Lane::BOTH.into_iter().all(|lane| !self.is_expanding(lane))
            && Lane::BOTH.into_iter().all(|lane| self.lane_queue(lane).is_empty())
    }
}
