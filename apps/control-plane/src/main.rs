//! A control plane in a directory: what is in its file is what xDS clients have, milliseconds
//! later.

mod admin;
mod certificates;
mod cli;
mod etcd;
mod file;
mod fleet;
mod limits;
mod references;
mod resources;
mod serve;
mod signals;
mod source;
mod stamp;
mod virtual_hosts;
mod watch;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut cli = cli::Cli::parse();
    if let Some(command) = cli.command.take() {
        return command.run();
    }
    let done = if cli.check { check(&cli) } else { serve::run(cli) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            why.lines().for_each(serve::complain);
            ExitCode::FAILURE
        }
    }
}

/// Reads the directory's file, and says what is wrong with it. References that lead nowhere are
/// warnings, unless they are to be taken strictly.
fn check(cli: &cli::Cli) -> Result<(), String> {
    let dir = cli.resources.as_deref().unwrap_or(".".as_ref());
    let found = resources::find(dir).map_err(|error| error.to_string())?;
    let (file, content) = found.ok_or_else(|| resources::nothing_in(dir))?;
    match resources::parse(file, &content) {
        Ok(resources) => {
            let warnings = references::dangling(&resources);
            warnings.iter().for_each(|it| serve::complain(&format!("{file}: warning: {it}")));
            let summary = match warnings.len() {
                0 => format!("{file}: {} resources, nothing wrong", resources.len()),
                some => format!("{file}: {} resources, warnings: {some}", resources.len()),
            };
            if cli.strict && !warnings.is_empty() {
                return Err(summary);
            }
            serve::print(&summary)
        }
        Err(faults) => Err(source::lines(file, &faults).join("\n")),
    }
}
