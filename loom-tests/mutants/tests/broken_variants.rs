//! Every known mistake makes the model fail that is there for it, by an assertion and not by
//! chance: the same model passes, in the same program, while no variant is chosen.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use pushlane_mutants::orderings::trial::in_parallel;
use pushlane_mutants::orderings::weaken::CHOSEN;
use pushlane_mutants::workshop::Workshop;
use pushlane_mutants::{Model, Verdict, broken_variants};

/// The most of a processor's time that a model may take: it takes a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_broken_variant_is_noticed() {
    let variants = broken_variants::all();
    let texts = broken_variants::instrumented(&variants).expect("the variants fit the sources");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken-variants");
    let workshop = Workshop::open(&place, &texts).expect("the sources can be copied");
    let executable = workshop.build().expect("cargo can be run").expect("it compiles");
    let mut models: Vec<&Model> = variants.iter().flat_map(|variant| &variant.models).collect();
    models.sort();
    models.dedup();
    let run = |model: &Model, variant: Option<usize>| {
        let chosen = variant.map(|number| (CHOSEN, OsString::from(number.to_string())));
        workshop
            .run_one(&executable, model, PATIENCE, chosen.as_slice())
            .map(|(verdict, _)| verdict)
    };

    let wrong = Mutex::new(Vec::new());
    let note = |what: String| wrong.lock().expect("nobody panics").push(what);
    in_parallel(models.len(), |at| {
        let verdict = run(models[at], None)?;
        if verdict != Verdict::Survived {
            note(format!("nothing is broken: {:?}: {verdict:?}", models[at]));
        }
        Ok(())
    })
    .expect("models can be run");
    in_parallel(variants.len(), |number| {
        let variant = &variants[number];
        let mut verdicts = Vec::new();
        for model in &variant.models {
            verdicts.push(run(model, Some(number))?);
            if matches!(verdicts.last(), Some(Verdict::Killed { .. })) {
                println!("{number}: {}: {:?}", variant.name, verdicts.last());
                return Ok(());
            }
        }
        note(format!("not noticed: {number}: {}: {verdicts:?}", variant.name));
        Ok(())
    })
    .expect("models can be run");
    let wrong = wrong.into_inner().expect("nobody panics");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
