//! Counts the instructions of each operation under callgrind, and holds them against committed
//! figures.
//!
//! ```sh
//! cargo run --release -p pushlane-instructions            # fails if one has grown by more than 10 %
//! cargo run --release -p pushlane-instructions -- --write # commit what this writes, and say why
//! cargo run --release -p pushlane-instructions --features metrics,tracing # what these cost
//! ```
//!
//! With the features, the other operations show what they cost where they are compiled in and not
//! used.
//!
//! The counts depend on the code and on the compiler, and on nothing else: no load, no clock. So
//! the compiler that the figures were made with is written beside them. With another one, the
//! figures are compared all the same, for what has not grown has not grown; what has is then either
//! the compiler's doing or the code's, and the failure says so.

mod dispatched;
mod figures;
mod operations;

use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode};

use figures::Figures;

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

/// By how much a count may grow.
const TOLERANCE: f64 = 0.10;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => check(),
        ["--write"] => write(),
        // What callgrind is given to run.
        ["--run", name] => run(name),
        _ => Err("usage: pushlane-instructions [--write]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all() -> impl Iterator<Item = &'static (&'static str, fn())> {
    operations::ALL.iter().chain(dispatched::ALL)
}

fn run(name: &str) -> Fallible {
    let operation = all().find(|(known, _)| *known == name);
    let (_, operation) = operation.ok_or_else(|| format!("no operation {name:?}"))?;
    operation();
    Ok(())
}

/// Runs one operation under callgrind.
fn count(name: &str) -> Fallible<u64> {
    let out = std::env::temp_dir().join(format!("pushlane-callgrind-{}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", name])
        .output()
        .map_err(|error| {
            format!("valgrind can't be run ({error}): install it, with apt for instance")
        })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let profile = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    let count = total.ok_or("callgrind wrote no total")?.trim().parse()?;
    match count {
        0 => Err(format!("{name}: nothing was counted; was `counted` inlined?").into()),
        count => Ok(count),
    }
}

fn measure() -> Fallible<Figures> {
    let compiler = Command::new("rustc").arg("--version").output()?.stdout;
    let compiler = String::from_utf8_lossy(&compiler).trim().to_owned();
    let counts = all().map(|(name, _)| Ok((name.to_string(), count(name)?)));
    Ok(Figures { compiler, counts: counts.collect::<Fallible<_>>()? })
}

fn write() -> Fallible {
    let mut now = measure()?;
    let committed: Figures = fs::read_to_string(figures::path())?.parse()?;
    // A build with features adds its own operations; the others are those of a build without.
    if cfg!(any(feature = "metrics", feature = "tracing")) {
        now.counts.retain(|(name, _)| committed.of(name).is_none() || name.contains(" with "));
    }
    let kept = committed.counts.into_iter().filter(|(name, _)| now.of(name).is_none());
    now.counts = kept.collect::<Vec<_>>().into_iter().chain(now.counts).collect();
    fs::write(figures::path(), now.to_string())?;
    print!("{now}");
    Ok(())
}

fn check() -> Fallible {
    let committed: Figures = fs::read_to_string(figures::path())?.parse()?;
    let now = measure()?;
    let mut grown = 0;
    for (name, count) in &now.counts {
        let Some(before) = committed.of(name) else {
            return Err(format!("{name} has no committed figure: run with --write").into());
        };
        let growth = *count as f64 / before as f64 - 1.0;
        let verdict = if growth > TOLERANCE { "GROWN" } else { "" };
        grown += usize::from(growth > TOLERANCE);
        println!("{name:28} {count:>8} {before:>8} {:>+7.1} % {verdict}", growth * 100.0);
    }
    if now.compiler != committed.compiler {
        println!("The committed figures are of {}, these of {}.", committed.compiler, now.compiler);
    }
    if grown == 0 {
        return Ok(());
    }
    let limit = TOLERANCE * 100.0;
    Err(if now.compiler == committed.compiler {
        format!("{grown} counts have grown by more than {limit} %: find out why, or commit new figures (--write)")
    } else {
        format!(
            "{grown} counts have grown by more than {limit} %, with another compiler: go back to the old one to \
             see whose doing it is; if it is the compiler's, commit new figures (--write)"
        )
    }
    .into())
}
