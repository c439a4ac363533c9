//! Every known mistake makes the model fail that is there for it, by an assertion and not by chance: the
//! variant compiles, and the same model passes without it.

use std::path::Path;

use pushlane_mutants::workshop::Workshop;
use pushlane_mutants::{Verdict, broken_variants};

#[test]
fn every_broken_variant_is_noticed() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken-variants");
    let workshop = Workshop::open(&place).expect("the sources can be copied");
    let variants = broken_variants::all();

    let mut models = Vec::new();
    for model in variants.iter().flat_map(|variant| variant.models.iter().cloned()) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    models.sort_by(|a, b| a.target.cmp(&b.target));
    let control = workshop.run(&models).expect("cargo can be run");
    assert_eq!(control, Verdict::Survived, "the models pass when nothing is broken");

    let mut unnoticed = Vec::new();
    for variant in &variants {
        let verdict = workshop.try_mutant(variant).expect("cargo can be run");
        println!("{}: {verdict:?}", variant.name);
        if !matches!(verdict, Verdict::Killed { .. }) {
            unnoticed.push((&variant.name, verdict));
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:#?}");
}
