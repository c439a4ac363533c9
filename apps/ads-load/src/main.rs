//! Ten thousand ADS streams, a hundred changes a second, some clients that are slow and some that
//! are stuck: how long until a change is acknowledged, what does a client cost, and is anything
//! lost? Beside it, under the same load, a small server of the naive kind.
//!
//! Latency runs from when a change was *due* until its ACK is written. A server that blocks its
//! publisher makes later changes late, and that counts.
//!
//! The server is a process of its own (this program again), so that its memory and CPU are its own.

mod changes;
mod cli;
mod clients;
mod floor;
mod naive;
mod plot;
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
    let mut outcomes = Vec::new();
    for design in cli.designs() {
        let outcome = runtime.block_on(clients::run(design, &cli))?;
        // The naive design is there to be compared with, not to pass.
        if design == Design::Pushlane {
            lost = outcome.wrong + outcome.broken;
        }
        println!("{}", report::outcome(design, &outcome));
        outcomes.push((design, outcome));
    }
    if let Some(path) = &cli.report {
        std::fs::write(path, plot::svg(&report::setting(&cli), &outcomes)?)?;
    }
    if lost > 0 {
        Err(format!("{lost} clients don't have what they should have").into())
    } else {
        Ok(())
    }
}
