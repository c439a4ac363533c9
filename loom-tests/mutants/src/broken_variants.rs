//! The mistakes that this design invites: what each would change, and the model that notices.
//!
//! One more is a test double, because it is a backlog that anybody could write: see
//! `convergence_is_early_with_a_backlog_that_takes_requests_out` among the models.

mod backlogs;
mod fan_outs;
mod order_of_service;
mod pushes;
mod who_is_there;

use crate::{Edit, Model, Mutant};

type Change = (&'static str, &'static str, &'static str);

fn variant(name: &str, changes: &[Change], target: &str, test: &str) -> Mutant {
    let edits = changes.iter().map(|(file, original, replacement)| Edit {
        file: format!("src/{file}"),
        original: (*original).to_owned(),
        replacement: (*replacement).to_owned(),
        occurrence: None,
    });
    Mutant {
        name: name.to_owned(),
        edits: edits.collect(),
        models: vec![Model { target: target.to_owned(), test: Some(test.to_owned()) }],
    }
}

pub fn all() -> Vec<Mutant> {
    [pushes::all(), order_of_service::all(), who_is_there::all(), fan_outs::all(), backlogs::all()]
        .into_iter()
        .flatten()
        .collect()
}
