//! `cargo run --release -p pushlane-mutants -- orderings [--minutes N] [--slowest SECONDS] [--file NAME]`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pushlane_mutants::orderings::table::{self, Known};
use pushlane_mutants::orderings::trial::{Trial, UNMODELLED};
use pushlane_mutants::workshop::repository;

const USAGE: &str = "usage: pushlane-mutants orderings [option…]

Weakens every atomic operation one step, runs the models on each, and writes loom-tests/MUTANTS.md.

  --minutes N        end after N minutes; the next run goes on from there
  --slowest SECONDS  leave out models that take longer, or ten times as long if they are about the
                     mutant's file (default 20)
  --file NAME        only mutants of this file below src/; the page is not written";

struct Options {
    until: Option<Instant>,
    slowest: Duration,
    file: Option<String>,
}

fn main() -> ExitCode {
    let options = match options() {
        Some(options) => options,
        None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Option<Options> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != "orderings" {
        return None;
    }
    let mut options = Options { until: None, slowest: Duration::from_secs(20), file: None };
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        let number = value.parse::<u64>();
        match argument.as_str() {
            "--minutes" => {
                options.until = Some(Instant::now() + Duration::from_secs(60 * number.ok()?));
            }
            "--slowest" => {
                options.slowest = Duration::try_from_secs_f64(value.parse().ok()?).ok()?;
            }
            "--file" => options.file = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn run(options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    let place = target().join("orderings");
    fs::create_dir_all(&place)?;
    let mut trial = Trial::begin(&place)?;
    let (models, took) = trial.models();
    println!("{} mutants, {models} models that take {} s", trial.mutants.len(), took.as_secs());

    let mutants = trial.mutants.clone();
    let mut results = Vec::new();
    for (number, mutant) in mutants.into_iter().enumerate() {
        if options.file.as_ref().is_some_and(|file| *file != mutant.file) {
            continue;
        }
        let slowest = options.slowest;
        let over = options.until.is_some_and(|until| Instant::now() > until);
        let known = if UNMODELLED.contains(&&*mutant.file) {
            Known::Unreached
        } else if over && trial.known(number, slowest).is_none() {
            Known::NotRun
        } else {
            trial.run(number, slowest)?.map_or(Known::Unreached, Known::Verdict)
        };
        if let Known::Verdict(verdict) = &known {
            println!(
                "{} {} {} {}: {verdict:?}",
                mutant.file, mutant.function, mutant.operation, mutant.mutation
            );
        }
        results.push((mutant, known));
    }

    let how = format!(
        "Models that take longer than {} s are left out; ten times as long if they are about the mutant's file.",
        options.slowest.as_secs_f32()
    );
    let (page, count) = table::page(&results, &how);
    if options.file.is_none() {
        fs::write(repository().join("loom-tests/MUTANTS.md"), page)?;
    }
    println!("{count:#?}");
    Ok(count.unexplained == 0
        && count.not_run == 0
        && (options.file.is_some() || count.idle_reasons.is_empty()))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
