//! `cargo run --release -p pushlane-mutants -- orderings [OPTION…]`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pushlane_mutants::orderings::table::{self, Known};
use pushlane_mutants::orderings::trial::{PAGE, Trial, UNMODELLED, in_parallel};
use pushlane_mutants::workshop::repository;

const USAGE: &str = "usage: pushlane-mutants orderings [option…]

Weakens every atomic operation one step, runs the models on each, and writes loom-tests/MUTANTS.md.

  --minutes N        end after N minutes; the next run goes on from there
  --slowest SECONDS  leave out models that take longer, or ten times as long if they are about the
                     mutant's file (default 0.6)
  --file NAME        only mutants of this file below src/; the page is not written

To run one model by hand with one mutant in it, give the program of its tests the mutant's number, which is
printed with the verdict, in PUSHLANE_MUTANT: it is orderings/target/debug/deps/NAME-* in the target directory.";

/// A run of all mutants takes minutes then, and most models take part.
const SLOWEST: Duration = Duration::from_millis(600);

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
    let mut options = Options { until: None, slowest: SLOWEST, file: None };
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

fn run(options: &Options) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let began = Instant::now();
    let place = target().join("orderings");
    fs::create_dir_all(&place)?;
    let trial = Trial::begin(&place, options.slowest)?;
    let (models, took) = trial.models();
    println!(
        "{} mutants, {models} models that take {} s, and {} that take too long; ready after {} s",
        trial.mutants.len(),
        took.as_secs(),
        trial.slow,
        began.elapsed().as_secs()
    );

    let wanted = |file: &str| options.file.as_deref().is_none_or(|wanted| wanted == file);
    let numbers: Vec<usize> =
        (0..trial.mutants.len()).filter(|&number| wanted(&trial.mutants[number].file)).collect();
    let results = Mutex::new(Vec::new());
    in_parallel(numbers.len(), |at| {
        let number = numbers[at];
        let mutant = trial.mutants[number].clone();
        let over = options.until.is_some_and(|until| Instant::now() > until);
        let known = if UNMODELLED.contains(&&*mutant.file) {
            Known::Unreached
        } else if over && trial.known(number).is_none() {
            Known::NotRun
        } else {
            trial.run(number)?.map_or(Known::Unreached, Known::Verdict)
        };
        if let Known::Verdict(verdict) = &known {
            println!("{number}: {}: {verdict:?}", mutant.words());
        }
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push((number, mutant, known));
        Ok(())
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, ..)| *number);
    let results: Vec<_> = results.into_iter().map(|(_, mutant, known)| (mutant, known)).collect();

    let took = began.elapsed().as_secs();
    let how = format!(
        "Models that take longer than {} s are left out; ten times as long if they are about the mutant's file.\n\
         {models} of {} models are quick enough for some mutant. {}",
        options.slowest.as_secs_f32(),
        models + trial.slow,
        if trial.fresh {
            format!(
                "Compiling included, the run took {} min on {} processors.",
                took.div_ceil(60),
                thread::available_parallelism().map_or(1, usize::from)
            )
        } else {
            "The run went on where an earlier one had ended.".to_owned()
        }
    );
    let (page, count) = table::page(&results, &how, options.file.as_deref());
    if options.file.is_none() {
        fs::write(repository().join(PAGE), page)?;
    }
    println!("{count:#?} after {took} s");
    Ok(count.unexplained == 0 && count.not_run == 0 && count.idle_reasons.is_empty())
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
