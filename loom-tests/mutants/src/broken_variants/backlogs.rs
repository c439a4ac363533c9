//! What a client is still to be sent.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
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
                "Some(merged) if BROKEN || Arc::ptr_eq(&merged.pending, pending) =>",
            )],
            "backlogs",
            "shared_keeps_what_is_recorded_for_several",
        ),
    ]
}
