//! `cargo run --release -p pushlane-bench -- report`: runs the scenarios, and writes what came out
//! into docs/performance.md, its plots, and the README's table.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// pushlane beside the designs that one could use instead.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure (about 5 minutes), and write the report.
    Report(Options),
}

/// How to make the report.
#[derive(Args)]
struct Options {
    /// Measure for about a minute and a half. Good for the order of magnitude.
    #[arg(long)]
    quick: bool,
    /// Measure only groups whose names contain this; the others are taken from the last run.
    #[arg(long)]
    only: Option<String>,
    /// Measure only what an interrupted run has left.
    #[arg(long)]
    resume: bool,
    /// Measure nothing: write the report of the last run again.
    #[arg(long)]
    no_run: bool,
    /// Print the report and leave the files alone.
    #[arg(long)]
    dry_run: bool,
    /// Where results are kept.
    #[arg(long, default_value = "target/pushlane-bench")]
    results: PathBuf,
}

fn main() -> ExitCode {
    let Command::Report(options) = Cli::parse().command;
    match report::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
