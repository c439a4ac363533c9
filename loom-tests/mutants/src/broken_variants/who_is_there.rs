//! Clients that come and leave, and what they depend on.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "admit the newcomer before its completed number is set",
            &[
                (
                    "queue/clients.rs",
                    "self.progress(place.bank).start(place.slot, newest);",
                    "let _ = newest;",
                ),
                (
                    "queue/clients.rs",
                    "self.banks()[place.bank].admit(place.slot, None);",
                    "self.banks()[place.bank].admit(place.slot, None);
                     self.progress(place.bank).start(place.slot, self.convergence.newest());",
                ),
            ],
            "convergence",
            "convergence_waits_for_a_newcomer",
        ),
        variant(
            "don't look at the generation again after the mark",
            &[(
                "queue/publish.rs",
                "if replaced & word.load().live() == 0 {",
                "if replaced & word.load().live() & 0 == 0 {",
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
                (
                    "topics.rs",
                    "(1 << (slot + LEAVING), 1 << (slot + SETTLING))",
                    "(1 << (slot + LEAVING) | 1 << (slot + LEFT), 1 << (slot + SETTLING))",
                ),
                ("queue/serve.rs", "if ticket.changing {", "{"),
            ],
            "topics",
            "what_was_left_reaches_the_client_until_a_push_that_knew",
        ),
        variant(
            "leave a topic without Release",
            &[(
                "topics.rs",
                "// flag: the flag below orders it only for a lease that has seen that flag.
                Ordering::Release,",
                "Ordering::Relaxed,",
            )],
            "topics",
            "what_was_left_second_reaches_the_client_until_a_push_that_knew",
        ),
        variant(
            "look at a bank before it is taken out of the set of vacancies",
            &[(
                "registry.rs",
                "self.vacancies.discard(bank);",
                "if banks[bank].load().vacant() == 0 { self.vacancies.discard(bank); }
                 return slot;",
            )],
            "vacancies",
            "a_vacancy_is_in_the_set_in_the_end",
        ),
    ]
}
