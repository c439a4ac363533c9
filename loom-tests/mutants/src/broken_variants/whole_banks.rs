//! Marks of whole banks.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        variant(
            "a mark that is being carried down is nowhere to be seen",
            &[("whole.rs", "word & !mark | mark << CARRYING,", "word & !mark,")],
            "whole_banks",
            "a_mark_of_a_whole_bank_does_not_converge_early",
        ),
        variant(
            "leave a bank that somebody carries to alone",
            &[("whole.rs", "Ok(_) => return carried,", "Ok(_) => return 0,")],
            "whole_banks",
            "a_bank_that_is_marked_while_somebody_carries_is_found",
        ),
        variant(
            "don't tell whom a mark that is carried down makes ready",
            &[(
                "queue/carry.rs",
                "if ready != 0 && popped != Some(lane) {",
                "if ready != 0 && popped != Some(lane) && false {",
            )],
            "whole_banks",
            "who_finds_nobody_while_somebody_carries_is_told",
        ),
        variant(
            "look at a bank before its marks",
            &[
                (
                    "queue/carry.rs",
                    "let marks = if S::ON_HEAP {",
                    "let word = self.banks()[bank].load();
        let marks = if S::ON_HEAP {",
                ),
                (
                    "queue/carry.rs",
                    "
        let word = self.banks()[bank].load();
        let marked = LANES",
                    "
        let marked = LANES",
                ),
            ],
            "whole_banks",
            "a_mark_of_a_whole_bank_does_not_converge_early",
        ),
        variant(
            "end before the bank has the mark",
            &[(
                "queue/carry.rs",
                "            let ready = self.banks()[bank].mark(ALL, lane).ready;",
                "            self.whole.end(bank, lane);
            let ready = self.banks()[bank].mark(ALL, lane).ready;",
            )],
            "whole_banks",
            "a_mark_of_a_whole_bank_does_not_converge_early",
        ),
    ]
}
