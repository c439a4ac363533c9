//! Fan-outs on demand, to everyone and to topics.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "look at the banks before the fan-out for the end of a drain",
            &[(
                "queue/mod.rs",
                "self.is_closed()
            // Before",
                "self.is_closed()
            && self.banks().iter().all(|bank| bank.load().busy() == 0)
            && self.is_expanded(Lane::Urgent)
            && self.is_expanded(Lane::Normal)
            || false
            // Before",
            )],
            "closing",
            "drained_sees_the_last_push_of_a_fan_out",
        ),
        variant(
            "look for pending visits without Acquire",
            &[(
                "fan_out.rs",
                "self.circle.remaining(self.visits.load(Ordering::Acquire)) != 0",
                "self.circle.remaining(self.visits.load(Ordering::Relaxed)) != 0",
            )],
            "fan_out_words",
            "nothing_pending_shows_the_marks",
        ),
        variant(
            "raise without Release",
            &[(
                "fan_out.rs",
                "                next,
                Ordering::Release,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return raised,",
                "                next,
                Ordering::Relaxed,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return raised,",
            )],
            "fan_out",
            "a_fan_out_is_seen_although_another_one_is_being_made",
        ),
        variant(
            "don't ask whether a visit has begun",
            &[(
                "fan_out.rs",
                "let wanted = self.groups() + (visits & BEGUN);",
                "let wanted = self.groups();",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "give up the end of a visit when a publisher raises meanwhile",
            &[(
                "fan_out.rs",
                "while self.circle.frontier(visits) == visit.at && visits & BEGUN != 0 {",
                "if self.circle.frontier(visits) == visit.at && visits & BEGUN != 0 {",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "take a number for settled without counting",
            &[(
                "fan_out.rs",
                "if (newest ^ visits) & !LOW != 0 {",
                "if visits == newest + usize::MAX {",
            )],
            "fan_out_words",
            "a_number_is_not_settled_while_a_publisher_has_none",
        ),
        variant(
            "move the frontier before marking",
            &[(
                "queue/expand.rs",
                "// After the visit has begun: a publisher that",
                "fan_out.end(visit); // a publisher that",
            )],
            "fan_out",
            "a_fan_out_does_not_converge_early",
        ),
        variant(
            "end a fan-out without telling whoever waits for a drain",
            &[(
                "convergence.rs",
                "self.counter.fetch_add(0, Ordering::AcqRel) & CLOSED != 0",
                "self.counter.load(Ordering::Acquire) & CLOSED != 0",
            )],
            "draining",
            "a_drain_without_clients_is_heard",
        ),
    ]
}
