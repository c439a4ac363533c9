//! What a client is still to be sent.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "complete a lease that met an unwritten entry",
            &[(
                "queue/serve.rs",
                "if !ticket.whole {\n            // Still pending",
                "if !ticket.whole && false {\n            // Still pending",
            )],
            "journal",
            "an_unwritten_entry_holds_later_ones_back",
        ),
        variant(
            "forget the slots of a group that a publish doesn't reach",
            &[("backlog/groups.rs", "self.masks[group] &= !met;", "self.masks[group] = 0;")],
            "backlogs",
            "shared_keeps_what_is_recorded_for_several",
        ),
        variant(
            "use the last merge for whatever is pending",
            &[(
                "backlog/groups.rs",
                "Some(merged) if Arc::ptr_eq(&merged.pending, pending) =>",
                "Some(merged) if Arc::ptr_eq(&merged.pending, &merged.pending) =>",
            )],
            "backlogs",
            "shared_keeps_what_is_recorded_for_several",
        ),
        variant(
            "say which entry a label is of before it says whom it is for",
            &[(
                "backlog/label.rs",
                "self.at.store(at ^ AWAY, Ordering::Relaxed);",
                "self.at.store(at, Ordering::Release);",
            )],
            "journal",
            "an_entry_is_not_passed_over_for_the_one_that_it_replaces",
        ),
        variant(
            "don't look twice at which entry a label is of",
            &[("backlog/label.rs", "if self.at.load(Ordering::Relaxed) != at {", "if false {")],
            "journal",
            "an_entry_is_not_passed_over_for_the_one_that_replaces_it",
        ),
    ]
}
