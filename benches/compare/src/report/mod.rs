//! The report: measure, read what came out, write it down.

mod instructions;
mod machine;
mod markers;
mod plots;
mod results;
mod tables;
mod targets;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use criterion::Criterion;
use pushlane_bench::scenarios::{ALL, Contended, Plan, Scenario};

use crate::Options;
use results::Results;

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

/// The repository, wherever the command was called.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn run(options: &Options) -> Fallible {
    let home = root().join(&options.results);
    fs::create_dir_all(&home)?;
    if !options.no_run {
        measure(options, &home)?;
    }
    let results = Results::read(&home)?;
    let machine = fs::read_to_string(home.join("machine.md"))?;
    let body = tables::performance(&results, &machine)?;
    if options.dry_run {
        println!("{body}");
        return Ok(());
    }
    markers::replace(&root().join("docs/performance.md"), &body)?;
    markers::replace(&root().join("README.md"), &tables::short(&results)?)?;
    plots::draw(&results, &root().join("docs/performance"))?;
    print!("{}", targets::table(&results));
    println!("written: docs/performance.md, docs/performance/*.svg, README.md");
    Ok(())
}

/// Runs the scenarios that are wanted, one after another, each marked as done when it is.
fn measure(options: &Options, home: &Path) -> Fallible {
    let start = Instant::now();
    let plan = if options.quick { Plan::QUICK } else { Plan::FULL };
    let mark = |name: &str| home.join(format!("{}.done", name.replace(' ', "-")));
    let wanted = |name: &str| match &options.only {
        Some(part) => name.contains(part.as_str()),
        None => !(options.resume && mark(name).exists()),
    };
    if !options.resume && options.only.is_none() {
        // What is not measured again doesn't belong to this run.
        fs::remove_dir_all(home)?;
        fs::create_dir_all(home)?;
    }
    fs::write(home.join("machine.md"), machine::describe(options.quick))?;
    let mut criterion = Criterion::default()
        .without_plots()
        .nresamples(5_000)
        .output_directory(&home.join("criterion"));
    for (name, scenario) in ALL.into_iter().filter(|(name, _): &Scenario| wanted(name)) {
        eprintln!("== {name} ({} s)", start.elapsed().as_secs());
        // Sizes that there are no more would stay in the report.
        let _ = fs::remove_dir_all(home.join("criterion").join(name));
        scenario(&mut criterion, plan);
        if let Some(file) = results::divided(name) {
            Contended::save(name, &home.join(file))?;
        }
        fs::write(mark(name), "")?;
    }
    if wanted("memory") {
        eprintln!("== memory ({} s)", start.elapsed().as_secs());
        fs::write(home.join("memory.json"), memory()?)?;
        fs::write(mark("memory"), "")?;
    }
    eprintln!("== done ({} s)", start.elapsed().as_secs());
    Ok(())
}

/// What the counting binary prints.
fn memory() -> Fallible<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["run", "--quiet", "--release", "-p", "pushlane-bench", "--bin", "memory"])
        .args(if cfg!(feature = "kube") { &["--features", "kube"][..] } else { &[] })
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(output.stdout)
}
