//! Ready sets, turns, permits and signals.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "join a turn that has changed meanwhile",
            &[(
                "ready/lane.rs",
                "Some(joined) if self.set.is_empty() && self.turn_becomes(turn, joined) => {}",
                "Some(joined)
                     if self.set.is_empty() && (self.turn_becomes(turn, joined) || BROKEN) => {}",
            )],
            "nothing_lost",
            "nothing_lost_of_a_neighbour_that_joins_a_turn",
        ),
        variant(
            "fail to acquire a permit with a plain load",
            &[("limiter.rs", ".min(n);", ".min(n); if BROKEN && granted == 0 { return 0; }")],
            "signals",
            "a_flicker_is_heard_with_sweep",
        ),
        variant(
            "insert into Sweep without Release",
            &[(
                "ready/sweep.rs",
                "fetch_or(mask, Ordering::Release)",
                "fetch_or(mask, if BROKEN { Ordering::Relaxed } else { Ordering::Release })",
            )],
            "ready_sets",
            "a_pop_of_sweep_answers_the_inserts_before_it",
        ),
        variant(
            "don't signal what a turn uncovers",
            &[(
                "queue/lanes.rs",
                "if served.uncovered > 0 {",
                "if served.uncovered > 0 && !BROKEN {",
            )],
            "ready_sets",
            "the_slots_of_a_popped_bank_are_found_by_another_worker",
        ),
        variant(
            "don't look again after a permit flickered",
            &[(
                "queue/serve.rs",
                "if self.nothing_ready() {
                return None;",
                "if BROKEN || self.nothing_ready() {
                return None;",
            )],
            "signals",
            "a_flicker_is_heard_with_sweep",
        ),
    ]
}
