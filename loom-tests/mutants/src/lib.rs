//! Are the models worth anything? Each mutant is a small change to the sources that makes them
//! wrong; a model has to fail because of it.
//!
//! * [`broken_variants`]: the mistakes that this design invites, and neighbouring steps in the
//!   other order. `cargo test` checks them all.
//! * [`orderings`]: every memory ordering one step weaker, every read-modify-write in two halves.
//!   The program of this package checks them and writes `loom-tests/MUTANTS.md`.
//! * [`workshop`]: a copy of the sources, where mutants are made, compiled and run.

pub mod broken_variants;
pub mod orderings;
pub mod workshop;

/// A change to the sources, and the models that are to notice it.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub name: String,
    pub edits: Vec<Edit>,
    /// Tried in this order until one fails.
    pub models: Vec<Model>,
}

/// One replacement in one file, of a text that stands there once.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Relative to the repository's root.
    pub file: String,
    pub original: String,
    pub replacement: String,
}

/// A test of the loom package by its path: `module::test`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model(pub String);

impl Model {
    /// The file that it stands in.
    pub fn module(&self) -> &str {
        self.0.split("::").next().unwrap_or_default()
    }
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A model failed: which, and what it said.
    Killed {
        by: String,
        how: String,
    },
    /// A model did not end in time. It should have, so somebody waits for what doesn't come.
    Hung {
        by: String,
    },
    Survived,
    /// Nothing was learnt: the text to change is gone, or the result doesn't compile.
    Unfit {
        why: String,
    },
}
