//! Ten thousand ADS streams, a hundred changes a second, some clients that are slow and some that are stuck: how long
//! until a change is acknowledged, what a client costs, and is anything lost? Beside it, under the same load, a small
//! server of the naive kind.
//!
//! The server is a process of its own (this program again), so that its memory and CPU are its own.

mod changes;
mod cli;
mod clients;
mod naive;
mod process;
mod pushlane_server;
mod report;
mod serve;
mod stream;
mod world;

use std::error::Error;

use clap::Parser;

use crate::cli::{Cli, Design};

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(design) = cli.serve {
        return runtime.block_on(serve::serve(design, &cli));
    }
    println!("{}", report::setting(&cli));
    let mut lost = 0;
    for design in [Design::Pushlane, Design::Naive] {
        if cli.design.is_none_or(|only| only == design) {
            let outcome = runtime.block_on(clients::run(design, &cli))?;
            // The naive design is there to be compared with, not to pass.
            if design == Design::Pushlane {
                lost = outcome.wrong + outcome.broken;
            }
            println!("{}", report::outcome(design, &outcome));
        }
    }
    if lost > 0 {
        Err(format!("{lost} clients don't have what they should have").into())
    } else {
        Ok(())
    }
}
