//! The mistakes that this design invites: what each would change, and the model that notices.
//!
//! All of them are compiled into one copy of the sources, right and broken side by side, and a run
//! chooses one by its number.
//!
//! One more is a test double, because it is a backlog that anybody could write: see
//! `convergence_is_early_with_a_backlog_that_takes_requests_out` among the models.

mod backlogs;
mod clients;
mod fan_outs;
mod order_of_service;
mod pushes;
pub mod swaps;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::orderings::weaken::SUPPORT;
use crate::workshop::repository;
use crate::{Edit, Model, Mutant};

/// A file below `src/`, what stands there, and what is to stand there. `BROKEN` in the latter tells
/// whether the variant is chosen; without it, the latter stands beside the former in an `if`.
type Change = (&'static str, &'static str, &'static str);

fn variant(name: &str, changes: &[Change], module: &str, test: &str) -> Mutant {
    noticed_by(name, changes, &[(module, test)])
}

fn noticed_by(name: &str, changes: &[Change], models: &[(&str, &str)]) -> Mutant {
    let edits = changes.iter().map(|(file, original, replacement)| Edit {
        file: format!("src/{file}"),
        original: (*original).to_owned(),
        replacement: (*replacement).to_owned(),
    });
    let models = models.iter().map(|(module, test)| Model(format!("{module}::{test}")));
    Mutant { name: name.to_owned(), edits: edits.collect(), models: models.collect() }
}

pub fn all() -> Vec<Mutant> {
    // Swaps change whole statements, in which others change a part.
    [
        swaps::all(),
        pushes::all(),
        order_of_service::all(),
        clients::all(),
        fan_outs::all(),
        backlogs::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The files that contain the variants, each behind its number among `variants`, and the root of
/// the models, with those modules only that the variants need.
pub fn instrumented(variants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, String> {
    let sync = PathBuf::from("src/sync.rs");
    let root = PathBuf::from("loom-tests/tests/models/main.rs");
    let mut texts = BTreeMap::from([
        (sync.clone(), read(&sync)? + SUPPORT),
        (root.clone(), needed(&read(&root)?, variants)),
    ]);
    for (number, variant) in variants.iter().enumerate() {
        for Edit { file, original, replacement } in &variant.edits {
            let file = PathBuf::from(file);
            let found = read(&file)?.matches(original).count();
            if found != 1 {
                return Err(format!("{}: found {found} times: {original}", variant.name));
            }
            let replacement = if replacement.contains("BROKEN") {
                replacement.clone()
            } else {
                format!("{{ if BROKEN {{ {replacement} }} else {{ {original} }} }}")
            };
            let replacement =
                replacement.replace("BROKEN", &format!("crate::sync::mutant::is({number})"));
            let text = texts.get(&file).map_or_else(|| read(&file), |text| Ok(text.clone()))?;
            // Another variant may have written it once more: in front, for the right one comes
            // last.
            let Some(at) = text.rfind(original) else {
                return Err(format!("{}: another variant changes: {original}", variant.name));
            };
            let rest = &text[at + original.len()..];
            texts.insert(file, format!("{}{replacement}{rest}", &text[..at]));
        }
    }
    Ok(texts)
}

fn needed(root: &str, variants: &[Mutant]) -> String {
    let models = variants.iter().flat_map(|variant| &variant.models);
    let modules: BTreeSet<&str> = models.map(Model::module).chain(["model"]).collect();
    let is_needed = |line: &&str| {
        let module = line.strip_prefix("mod ").and_then(|line| line.strip_suffix(';'));
        module.is_none_or(|module| modules.contains(module))
    };
    root.lines().filter(is_needed).map(|line| format!("{line}\n")).collect()
}

fn read(file: &PathBuf) -> Result<String, String> {
    fs::read_to_string(repository().join(file)).map_err(|why| format!("{}: {why}", file.display()))
}
