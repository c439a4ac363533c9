//! `cargo run --release --example storm`: a storm of configuration changes meets three control
//! planes.
//!
//! The same history, the same clients and the same misfortunes under the designs of 1.1
//! ([`designs::v1_1`]), of 1.4 ([`designs::v1_4`]) and of pushlane, in virtual time. In reading
//! order:
//!
//! | module | what |
//! | --- | --- |
//! | `cli` | the command line |
//! | `history`, `generate`, `trace` | what changes, drawn or recorded |
//! | `population` | the clients: scopes, speeds, misfortunes |
//! | `feed`, `request` | from changes to requests |
//! | `clock`, `world` | virtual time, streams and pushes |
//! | `designs`, `peers` | the three designs behind one face; what the older two are |
//! | `oracle` | what each client is owed, and what was lost |
//! | `run`, `stopwatch`, `report`, `table`, `plot`, `curve` | one run, and how it is told |
//!
//! # The model of a push
//!
//! A push is *prepared* (2 ms for configuration, of which 1 ms finds out what the client can see;
//! 0.2 ms for endpoints) and *sent* (the client's time, see `population`). Every design holds its
//! bound while preparing what it holds it for: 1.1 and 1.4 hold theirs also while they wait for the
//! client's loop, and 1.4 during the send; pushlane gives the permit back before the send. All use
//! the same send timeout; for pushlane it counts from the grant of the permit, as in its adapters,
//! for the others from the beginning of the send.
//!
//! Where the model simplifies, it favours the older designs: any number of pushes can be computed
//! at once, though 1.4 computes a scope for every client and every request; 1.1 gets the send
//! timeout too, and its endpoint pushes skip the limiter; their first answers to new streams are
//! outside of all limits; 1.4 merges in place, where the original copied.
//!
//! # What the defaults are chosen for
//!
//! So that one run of a few seconds shows all three effects: 1.1 loses, 1.4 stands still, pushlane
//! does neither. They are a bad day, not a measurement of anybody's cluster, and the outcome
//! depends on them. With another `--seed`, one of the first two effects may be missing.
//!
//! * *How late 1.1 is, and whether it loses*: on `--walk-rate`. The limits of the designs are those
//!   they shipped with where they had one (20 handovers, 10 full pushes a second, 100 permits, 5
//!   s), and 10 pushes a second for 10,000 clients is harsh: one push to everyone takes a quarter
//!   of an hour by that alone. With `--walk-rate 100` it loses nothing here, and is minutes late
//!   instead of half an hour.
//! * *Whether 1.1 loses* depends on the end of the history as well: `lost` is what is missing at
//!   the end, and a later full push heals what was dropped before. The generated history is mostly
//!   configuration and ends in the middle of a storm, as recorded ones may. How much is missing
//!   then is a matter of `--seed`: thousands of changes, a few, or none. With mostly endpoint
//!   changes it is often little.
//! * *Whether and for how long 1.4 stands still*: on `--hung` against `--limit`, `--rate` and
//!   `--send-timeout`. A twentieth of the clients hangs at one moment, five times as many as there
//!   are permits, because that is the case 1.4 is known for: a zone loses its network. With fewer
//!   hung clients than permits, or so few changes that they are not all met within one send
//!   timeout, it doesn't stand still. Without a send timeout it does so for ever.
//! * *How late pushlane is*: on `--slow` and `--send-timeout`. Its slowest convergence is that of
//!   the slowest clients, which take up to 8 s a send, or are cut off after 5 s and come back.
//!
//! # Reading the number of pushes
//!
//! A design that is held up merges more: it sends fewer pushes, each with more in it, and its
//! clients wait for them. So the pushes of two designs compare only beside their convergence.
//! `--limit` moves pushlane along that line: with fewer permits it sends fewer, later pushes.
//! `--debounce` and `--pace` do so on purpose, and `--curve` draws the line.

mod cli;
mod clock;
mod curve;
mod designs;
mod dice;
mod feed;
mod generate;
mod history;
mod oracle;
#[allow(dead_code, reason = "the benchmarks compare with these too, and use more of them")]
#[allow(unreachable_pub, reason = "there they are public")]
mod peers;
mod plot;
mod population;
mod report;
mod request;
mod run;
mod stopwatch;
mod table;
mod trace;
mod world;

use clap::Parser;
use cli::{BadValue, Cli, Format};
use history::History;
use indicatif::{ProgressBar, ProgressStyle};
use population::Population;
use report::{Input, Outcome, Report};
use run::Scenario;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::count;
use trace::TraceError;

/// Why there is no result.
#[derive(Debug)]
enum StormError {
    Value(BadValue),
    Open(PathBuf, io::Error),
    Trace(TraceError),
    Svg(PathBuf, io::Error),
    Draw(String),
    Print(io::Error),
}

impl fmt::Display for StormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(error) => error.fmt(f),
            Self::Open(path, error) => write!(f, "cannot open {}: {error}", path.display()),
            Self::Trace(error) => error.fmt(f),
            Self::Svg(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Draw(error) => write!(f, "cannot draw the plot: {error}"),
            Self::Print(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl StormError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Value(_) | Self::Trace(TraceError::Line { .. } | TraceError::Empty) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }
}

fn main() -> ExitCode {
    match storm(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error}");
            error.exit_code()
        }
    }
}

fn storm(cli: &Cli) -> Result<(), StormError> {
    cli.check().map_err(StormError::Value)?;
    let history = history(cli)?;
    // Before the work, not after it: a plot that can't be written is known at once.
    for path in [&cli.svg, &cli.curve].into_iter().flatten() {
        let writable = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        writable.map_err(|error| StormError::Svg(path.clone(), error))?;
    }
    let input = Input {
        events: history.changes.len(),
        clients: cli.clients,
        seed: cli.seed,
        bad_lines: history.bad_lines,
    };
    let population = Population::new(&history, cli.sizes(), cli.seed);
    let (send_timeout, knobs, quiet) = (cli.send_timeout(), cli.knobs(), cli.quiet());
    let mut scenario = Scenario { history, population, quiet, send_timeout, knobs };
    let outcomes = run_all(cli, &scenario);
    let title = title(cli, input, scenario.history.span());
    if let Some(path) = &cli.svg {
        draw(path, plot::backlog(&title, &outcomes))?;
    }
    if let Some(path) = &cli.curve {
        let points = curve::points(&mut scenario, &outcomes);
        draw(path, curve::draw(&title, &points))?;
    }
    print(&match cli.format {
        Format::Table => table::table(input, &title, &outcomes),
        Format::Json => {
            let report = Report::new(input, &outcomes);
            serde_json::to_string(&report).map_err(|error| StormError::Print(error.into()))? + "\n"
        }
    })
}

fn draw(path: &Path, svg: Result<String, Box<dyn Error>>) -> Result<(), StormError> {
    let svg = svg.map_err(|error| StormError::Draw(error.to_string()))?;
    fs::write(path, svg).map_err(|error| StormError::Svg(path.to_owned(), error))
}

fn history(cli: &Cli) -> Result<History, StormError> {
    let Some(path) = &cli.trace else {
        return Ok(generate::generate(cli.events as usize, cli.rate(), cli.seed, &cli.root));
    };
    let history = if path == Path::new("-") {
        trace::read(io::stdin().lock(), cli.rate(), cli.skip_bad, &cli.root)
    } else {
        let file = File::open(path).map_err(|error| StormError::Open(path.clone(), error))?;
        trace::read(BufReader::new(file), cli.rate(), cli.skip_bad, &cli.root)
    };
    history.map_err(StormError::Trace)
}

fn run_all(cli: &Cli, scenario: &Scenario) -> Vec<Outcome> {
    let designs = cli.designs();
    let steps = designs.len() * scenario.history.changes.len();
    // Draws on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(
        ProgressStyle::with_template("{msg:9} {wide_bar} {percent:>3} %").expect("well formed"),
    );
    let run = |name: designs::Name| {
        bar.set_message(name.text());
        run::run(scenario, name, &mut || bar.inc(1))
    };
    let outcomes = designs.into_iter().map(run).collect();
    bar.finish_and_clear();
    outcomes
}

fn title(cli: &Cli, input: Input, span: Duration) -> String {
    let sizes = cli.sizes();
    let hung = format!(
        "{} hang, {} are slow, {} leave",
        count(sizes.hung.into()),
        sizes.slow,
        sizes.leave
    );
    let clients = count(input.clients.into());
    format!(
        "{} changes in {:.0} s, {clients} clients: {hung}",
        count(input.events as u64),
        span.as_secs_f64()
    )
}

/// A reader that closes the pipe early has seen enough: that is no error.
fn print(text: &str) -> Result<(), StormError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(StormError::Print(error)),
        _ => Ok(()),
    }
}
