//! Mutants that no model notices, and why that is no reason to worry.

use super::weaken::Weakened;

/// One reason, for mutants of one operation: file, function, operation, mutations, reason.
type Entry = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);

pub const SURVIVORS: &[Entry] = &[];

/// The place in the list of the reason why a mutant survives, and the reason.
pub fn reason(mutant: &Weakened) -> Option<(usize, &'static str)> {
    SURVIVORS.iter().enumerate().find_map(|(at, (file, function, operation, mutations, reason))| {
        (mutant.file == *file
            && mutant.function == *function
            && mutant.operation == *operation
            && mutations.contains(&mutant.mutation.as_str()))
        .then_some((at, *reason))
    })
}
