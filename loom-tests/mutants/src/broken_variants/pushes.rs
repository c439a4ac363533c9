//! One publish and one push: the order of their steps, what converges, and when a drain is over.

use super::variant;
use crate::Mutant;

/// A statement in front of what a publish to one client records and marks.
macro_rules! before_marking_one {
    ($statement:literal) => {
        (
            "queue/publish.rs",
            "let mut recording = self.backlog.begin(request, audience);
        if B::RECORDS {",
            concat!(
                $statement,
                "let mut recording = self.backlog.begin(request, audience); if B::RECORDS {"
            ),
        )
    };
}

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "give out the version before marking",
            &[
                (
                    "queue/publish.rs",
                    "let mut fresh = Fresh::new(self, lane);",
                    "let early = self.convergence.number(); let mut fresh = Fresh::new(self, lane);",
                ),
                (
                    "queue/publish.rs",
                    "self.published(self.convergence.number(), audience, Until::Number, recording)",
                    "self.published(early, audience, Until::Number, recording)",
                ),
            ],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "ask before marking which push will contain a publish to one client",
            &[
                before_marking_one!(
                    "let early = [false, true].map(|in_progress| {
                         self.progress(place.bank).next_push(place.slot, in_progress)
                     });"
                ),
                (
                    "queue/publish.rs",
                    "self.progress(place.bank).next_push(place.slot, marked.in_progress(place.slot))",
                    "early[usize::from(marked.in_progress(place.slot))]",
                ),
            ],
            "convergence",
            "convergence_of_one_client_is_never_early",
        ),
        variant(
            "count the push in progress as the one that will contain a publish to one client",
            &[(
                "queue/publish.rs",
                "next_push(place.slot, marked.in_progress(place.slot))",
                "next_push(place.slot, false)",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "count a push that is given back as one that was completed",
            &[("progress.rs", "pushes.store(word + 1,", "pushes.store(word.wrapping_add(ONE),")],
            "convergence",
            "convergence_of_one_client_is_not_reached_by_giving_back",
        ),
        variant(
            "count a push after letting go of the slot",
            &[(
                "queue/serve.rs",
                "self.complete_slot(ticket);
        self.hand_back(ticket.place(), self.banks()[bank].release(slot))",
                "let released = self.banks()[bank].release(slot);
                     self.complete_slot(ticket);
                     self.hand_back(ticket.place(), released)",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "ask whether the queue is closed before marking",
            &[
                before_marking_one!("let open = self.convergence.newest_if_open();"),
                ("queue/publish.rs", "self.convergence.newest_if_open().ok_or(", "open.ok_or("),
            ],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "look for the end of a drain without leaving a trace",
            &[(
                "queue/mod.rs",
                "all(|bank| bank.busy() == 0)",
                "all(|bank| bank.load().busy() == 0)",
            )],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "read the version after taking the backlog",
            &[(
                "queue/serve.rs",
                "core::mem::forget(on_panic);",
                "core::mem::forget(on_panic); let seen = self.convergence.newest();",
            )],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "store the completed version without Release",
            &[(
                "progress.rs",
                "store(number.word(), Ordering::Release)",
                "store(number.word(), Ordering::Relaxed)",
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
                     let now = self.load();
                     let marked = now.mark(mask, lane);
                     if marked.next == now { return marked; }",
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
                    "let only = Place { bank: 0, slot: 0 };
                     let early = self.backlog.take(self.cells(only.bank), only.slot, &|_| true);
                     let Some(Served { bank, claimed, .. }) = self.claim(1) else {
                         if let Some(payload) = early.payload {
                             self.backlog.restore(self.cells(only.bank), only.slot, payload);
                         }
                         return None;
                     };",
                ),
                (
                    "queue/serve.rs",
                    "match self.take(place, claimed.lane(slot), seen, counted) {",
                    "let (ticket, late) = self.take(place, claimed.lane(slot), seen, counted);
                     if let Some(payload) = late {
                         self.backlog.restore(self.cells(place.bank), place.slot, payload);
                     }
                     match (ticket, early.payload) {",
                ),
            ],
            "nothing_lost",
            "nothing_lost_while_a_lease_completes",
        ),
    ]
}
