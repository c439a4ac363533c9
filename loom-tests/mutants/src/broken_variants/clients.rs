//! Clients that come and leave, and what they depend on.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "don't look at the generation again after the mark",
            &[(
                "queue/publish.rs",
                "if replaced & word.load().live() == 0 {",
                "if BROKEN || replaced & word.load().live() == 0 {",
            )],
            "registering",
            "a_successor_misses_no_request",
        ),
        variant(
            "skip the topic's gate",
            &[("topics.rs", "self.gate.fetch_add(1, Ordering::AcqRel);", "let _ = &self.gate;")],
            "topics",
            "a_subscriber_to_a_topic_misses_nothing",
        ),
        variant(
            "forget a topic that was left during the lease",
            &[
                ("topics.rs", "const fn ending(", "fn ending(/* BROKEN */"),
                (
                    "topics.rs",
                    "(1 << (slot + LEAVING), 1 << (slot + SETTLING))",
                    "(1 << (slot + LEAVING) | usize::from(BROKEN) << (slot + LEFT), \
                      1 << (slot + SETTLING))",
                ),
                ("queue/serve.rs", "if ticket.changing {", "if ticket.changing || BROKEN {"),
            ],
            "topics",
            "what_was_left_reaches_the_client_until_a_push_that_knew",
        ),
        variant(
            "leave a topic without Release",
            &[(
                "topics.rs",
                "// another topic's flag. The flag below orders it only for its own readers.
                Ordering::Release,",
                "if BROKEN { Ordering::Relaxed } else { Ordering::Release },",
            )],
            "topics",
            "what_was_left_second_reaches_the_client_until_a_push_that_knew",
        ),
    ]
}
