//! One publish and one push: what converges, and when a drain is over.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "count the push in progress as the one that will contain a publish to one client",
            &[(
                "queue/publish.rs",
                "next_push(place.slot, marked.in_progress(place.slot))",
                "next_push(place.slot, !BROKEN && marked.in_progress(place.slot))",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "count a push that is given back as one that was completed",
            &[(
                "progress.rs",
                "pushes.store(word + 1,",
                "pushes.store(if BROKEN { word.wrapping_add(ONE) } else { word + 1 },",
            )],
            "convergence",
            "convergence_of_one_client_is_not_reached_by_giving_back",
        ),
        variant(
            "look for the end of a drain without leaving a trace",
            &[(
                "queue/mod.rs",
                "all(|bank| bank.busy() == 0)",
                "all(|bank| BROKEN || bank.busy() == 0)",
            )],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "store the completed version without Release",
            &[(
                "progress.rs",
                "store(number.word(), Ordering::Release)",
                "store(number.word(), if BROKEN { Ordering::Relaxed } else { Ordering::Release })",
            )],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "skip the mark when the bit is already set",
            &[(
                "bank.rs",
                "pub(crate) fn mark(&self, mask: usize, lane: Lane) -> Marked {",
                "pub(crate) fn mark(&self, mask: usize, lane: Lane) -> Marked {
                     if BROKEN {
                         let now = self.load();
                         let marked = now.mark(mask, lane);
                         if marked.next == now { return marked; }
                     }",
            )],
            "visible",
            "visible_through_a_mark",
        ),
        variant(
            "take the backlog before the claim",
            &[
                (
                    "queue/serve.rs",
                    "let Served { bank, claimed, .. } = self.claim(1)?;",
                    "let early = if BROKEN { self.backlog.take(self.cells(0), 0) } else { None };
                     let Some(Served { bank, claimed, .. }) = self.claim(1) else {
                         if let Some(early) = early {
                             self.backlog.restore(self.cells(0), 0, early);
                         }
                         return None;
                     };",
                ),
                (
                    "queue/serve.rs",
                    "match self.take(place, claimed.lane(slot), seen, counted) {",
                    "let (ticket, mut payload) =
                         self.take(place, claimed.lane(slot), seen, counted);
                     if BROKEN {
                         if let Some(late) = core::mem::replace(&mut payload, early) {
                             self.backlog.restore(self.cells(place.bank), place.slot, late);
                         }
                     }
                     match (ticket, payload) {",
                ),
            ],
            "nothing_lost",
            "nothing_lost_while_a_lease_completes",
        ),
    ]
}
