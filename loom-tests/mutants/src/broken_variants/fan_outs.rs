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
                "self.visits.load(Ordering::Acquire) & !FRONTIER != 0",
                "self.visits.load(Ordering::Relaxed) & !FRONTIER != 0",
            )],
            "fan_out_words",
            "nothing_pending_shows_the_marks",
        ),
        variant(
            "raise without Release",
            &[(
                "fan_out.rs",
                "Ordering::AcqRel,\n            Ordering::Relaxed, // retried",
                "Ordering::Acquire,\n            Ordering::Relaxed, // retried",
            )],
            "fan_out",
            "a_fan_out_is_seen_although_another_one_is_being_made",
        ),
        variant(
            "forget the visits that have begun",
            &[(
                "fan_out.rs",
                "self.visits.load(Ordering::Acquire) & !FRONTIER != 0",
                "self.visits.load(Ordering::Acquire) & REMAINING != 0",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "raise nothing where every visit remains already",
            &[(
                "fan_out.rs",
                "let mut visits = self.visits.load(Ordering::Relaxed);\n        // A read",
                "let mut visits = self.visits.load(Ordering::Relaxed);\n        if visits & REMAINING == self.groups {\n            return;\n        }\n        // A read",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "raise before the number is told",
            &[(
                "fan_out.rs",
                "while Seq::from_word(newest).cmp(number).is_lt() {",
                "self.visits.fetch_or(self.groups, Ordering::AcqRel);\n        while Seq::from_word(newest).cmp(number).is_lt() {",
            )],
            "fan_out_words",
            "a_visit_knows_the_number_of_each_publisher_it_is_made_for",
        ),
        variant(
            "raise without leaving a trace for a drain that has ended",
            &[(
                "fan_out.rs",
                "self.visits.fetch_add(0, Ordering::AcqRel) & !FRONTIER != 0",
                "self.visits.load(Ordering::Acquire) & !FRONTIER != 0",
            )],
            "fan_out_words",
            "a_publish_that_a_drain_missed_is_refused",
        ),
        variant(
            "end a visit before its marks",
            &[
                (
                    "queue/expand.rs",
                    "        // Only now: a worker that finds no visit pending must find the clients.\n        fan_out.end();",
                    "",
                ),
                (
                    "queue/expand.rs",
                    "        let newest = fan_out.newest();\n        let (mut",
                    "        let newest = fan_out.newest();\n        fan_out.end();\n        let (mut",
                ),
            ],
            "fan_out",
            "a_fan_out_does_not_converge_early",
        ),
        variant(
            "tell nobody of the clients that a visit has hidden",
            &[("queue/lanes.rs", "if ready > 1 {", "if ready > usize::MAX / 2 {")],
            "fan_out",
            "two_workers_find_two_banks_of_a_fan_out",
        ),
        variant(
            "tell of the clients that a visit has hidden before they can be found",
            &[
                (
                    "queue/expand.rs",
                    "        if banks != 0 {\n            self.line(lane)",
                    "        if ready > 1 {\n            self.signal.ready(ready - 1);\n        }\n        if banks != 0 {\n            self.line(lane)",
                ),
                ("queue/lanes.rs", "if ready > 1 {", "if ready > usize::MAX / 2 {"),
            ],
            "fan_out",
            "two_workers_find_two_banks_of_a_fan_out",
        ),
        variant(
            "let a queue that was drained be undrained",
            &[(
                "convergence.rs",
                "self.drained.store(true, Ordering::Release); // with `is_drained`",
                "",
            )],
            "draining",
            "a_drain_with_a_client_is_heard",
        ),
    ]
}
