//! Fan-outs on demand, to everyone.

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
                "if BROKEN {
                     return self.is_closed()
                         && self.banks().iter().all(|bank| bank.load().busy() == 0)
                         && self.is_expanded(Lane::Urgent)
                         && self.is_expanded(Lane::Normal);
                 }
                 self.is_closed()
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
                "let ordering = if BROKEN { Ordering::Relaxed } else { Ordering::Acquire };
                 self.visits.load(ordering) & !FRONTIER != 0",
            )],
            "fan_out_words",
            "nothing_pending_shows_the_marks",
        ),
        variant(
            "raise without Release",
            &[(
                "fan_out.rs",
                "Ordering::AcqRel,\n            Ordering::Relaxed, // retried",
                "if BROKEN { Ordering::Acquire } else { Ordering::AcqRel },
            Ordering::Relaxed, // retried",
            )],
            "fan_out",
            "a_fan_out_is_seen_although_another_one_is_being_made",
        ),
        variant(
            "raise nothing where every visit remains already",
            &[(
                "fan_out.rs",
                "let mut visits = self.visits.load(Ordering::Relaxed);\n        // A read",
                "let mut visits = self.visits.load(Ordering::Relaxed);
                 if BROKEN && visits & REMAINING == self.groups { return; }\n        // A read",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "raise, then tell the number",
            &[
                (
                    "fan_out.rs",
                    "while Seq::from_word(newest).cmp(number).is_lt() {",
                    "if BROKEN {
                         let _ = self.visits.fetch_update(
                             Ordering::AcqRel,
                             Ordering::Relaxed,
                             |visits| Some(visits & !REMAINING | self.groups),
                         );
                     }
                     while Seq::from_word(newest).cmp(number).is_lt() {",
                ),
                (
                    "fan_out.rs",
                    "// A read-modify-write also where",
                    "if BROKEN { return; }
        // A read-modify-write also where",
                ),
            ],
            "fan_out_words",
            "a_visit_knows_the_number_of_each_publisher_it_is_made_for",
        ),
        variant(
            "look for the end of a drain without leaving a trace for who raises",
            &[(
                "fan_out.rs",
                "self.visits.fetch_add(0, Ordering::AcqRel) & !FRONTIER != 0",
                "if BROKEN {
                     return self.visits.load(Ordering::Acquire) & !FRONTIER != 0;
                 }
                 self.visits.fetch_add(0, Ordering::AcqRel) & !FRONTIER != 0",
            )],
            "fan_out_words",
            "a_publish_that_a_drain_missed_is_refused",
        ),
        variant(
            "end a visit, then mark",
            &[
                (
                    "queue/expand.rs",
                    "let newest = fan_out.newest();\n        let (mut",
                    "let newest = fan_out.newest();
                     if BROKEN { fan_out.end(); }\n        let (mut",
                ),
                (
                    "queue/expand.rs",
                    "fan_out.end();\n        // A client that came",
                    "if !BROKEN { fan_out.end(); }\n        // A client that came",
                ),
            ],
            "fan_out",
            "a_fan_out_does_not_converge_early_with_two_workers",
        ),
        variant(
            "tell nobody of the clients that a visit has hidden",
            &[("queue/lanes.rs", "if ready > 1 {", "if ready > 1 && !BROKEN {")],
            "fan_out",
            "two_workers_find_two_banks_of_a_fan_out",
        ),
    ]
}
