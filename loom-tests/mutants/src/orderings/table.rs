//! `loom-tests/MUTANTS.md`.

use std::collections::HashMap;
use std::fmt::Write;

use super::survivors;
use super::weaken::Weakened;
use crate::Verdict;

/// What is known of a mutant in the end.
pub enum Known {
    Verdict(Verdict),
    /// No model reaches the operation, or its file is no part of the models.
    Unreached,
    /// The time was over.
    NotRun,
}

/// How many mutants there are of each kind.
#[derive(Default, Debug)]
pub struct Count {
    pub killed: usize,
    pub explained: usize,
    pub unexplained: usize,
    pub not_run: usize,
    /// Reasons for mutants that don't survive, or are no more.
    pub idle_reasons: Vec<String>,
}

/// Of a page: which model killed which mutant, both in words.
pub fn killers(page: &str) -> HashMap<String, String> {
    let killed = page.lines().filter_map(|row| {
        let mut cells = row.strip_prefix("| ")?.split(" | ").map(|cell| cell.trim_matches('`'));
        let [file, function, operation, mutation] = [(); 4].map(|()| cells.next());
        if cells.next()? != "killed" {
            return None;
        }
        let by = cells.next()?.split('`').next()?;
        Some((format!("{} {} {} {}", file?, function?, operation?, mutation?), by.to_owned()))
    });
    killed.collect()
}

/// The page, and what it comes to; `only`: if the results are of one file.
pub fn page(results: &[(Weakened, Known)], how: &str, only: Option<&str>) -> (String, Count) {
    let mut count = Count::default();
    let mut used = vec![Vec::new(); survivors::SURVIVORS.len()];
    let mut rows = String::new();
    for (mutant, known) in results {
        let (verdict, note) = match known {
            Known::Verdict(Verdict::Killed { by, how }) => {
                count.killed += 1;
                ("killed", format!("`{by}`: {how}"))
            }
            Known::Verdict(Verdict::Unfit { why }) => {
                count.unexplained += 1;
                ("**unfit**", why.clone())
            }
            Known::NotRun => {
                count.not_run += 1;
                ("not run", String::new())
            }
            survived => {
                let verdict = match survived {
                    Known::Unreached => "not modelled",
                    Known::Verdict(Verdict::Hung { .. }) => "did not end",
                    _ => "survived",
                };
                if let Some((at, reason)) = survivors::reason(mutant) {
                    used[at].push(mutant.mutation.clone());
                    count.explained += 1;
                    (verdict, reason.to_owned())
                } else {
                    count.unexplained += 1;
                    (verdict, "**no reason is known**".to_owned())
                }
            }
        };
        let Weakened { file, function, operation, mutation } = mutant;
        let note = note.replace('|', "\\|");
        let _ = writeln!(
            rows,
            "| {file} | `{function}` | `{operation}` | {mutation} | {verdict} | {note} |"
        );
    }
    // A reason can't be idle as long as mutants have not been run.
    if count.not_run == 0 {
        for (entry, used) in survivors::SURVIVORS.iter().zip(&used) {
            let (file, function, operation, mutations, _) = entry;
            if only.is_some_and(|only| only != *file) {
                continue;
            }
            for mutation in mutations.iter().filter(|mutation| !used.iter().any(|u| u == *mutation))
            {
                count.idle_reasons.push(format!("{file} {function} {operation} {mutation}"));
            }
        }
    }
    let Count { killed, explained, unexplained, not_run, .. } = &count;
    let page = format!(
        "# What the models notice\n\n\
         Written by `cargo run --release -p pushlane-mutants -- orderings`, which weakens every atomic operation of\n\
         `src/` in every way there is, one at a time: an ordering one step, a read-modify-write in a load and a\n\
         store. A mutant is killed when a model fails because of it; each runs against every model that reaches its\n\
         operation, the quickest first, until one does.\n\n{how}\n\n\
         {} mutants: {killed} killed, {explained} survive for a stated reason, {unexplained} without one, \
         {not_run} not run.\n\n\
         | file | function | operation | mutation | verdict | killed by, or why not |\n\
         | --- | --- | --- | --- | --- | --- |\n{rows}",
        results.len()
    );
    (page, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_who_killed_what() {
        let mutant = |mutation: &str| Weakened {
            file: "a.rs".to_owned(),
            function: "f".to_owned(),
            operation: "self.0.fetch_or".to_owned(),
            mutation: mutation.to_owned(),
        };
        let killed =
            Verdict::Killed { by: "models::one".to_owned(), how: "left | right".to_owned() };
        let results = [
            (mutant("AcqRel → Release"), Known::Verdict(killed)),
            (mutant("load + store"), Known::Verdict(Verdict::Survived)),
        ];
        let (page, _) = page(&results, "", None);
        let killers = killers(&page);
        assert_eq!(killers.len(), 1);
        assert_eq!(killers[&results[0].0.words()], "models::one");
    }
}
