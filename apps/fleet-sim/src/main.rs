//! A fleet of replicas in virtual time: 100 of them with 100,000 clients each, as a rule.
//!
//! Each replica has the real queue; cores, wire, clients, admission and etcd's delay are simulated.
//! Replicas share nothing but etcd's order of changes, and the clients that move. Where those go is
//! worked out first, because it does not depend on what is pushed. Then each replica runs by
//! itself, to the last response, so the whole is as exact as one run of ten million clients.

mod admission;
mod fleet;
mod histogram;
mod plot;
mod random;
mod replica;
mod report;
mod scenario;
mod setting;
/// As the control plane has it.
#[path = "../../control-plane/src/fleet/share.rs"]
mod share;

use clap::{Parser, ValueEnum};
use setting::{SECOND, Setting};
use std::error::Error;
use std::path::PathBuf;

/// Simulates a fleet: convergence against the rate of changes, the loss of a tenth of the replicas,
/// a rolling restart. Prints tables, and draws SVG plots.
#[derive(Clone, Debug, Parser)]
struct Cli {
    /// Replicas
    #[arg(long, default_value_t = 100)]
    replicas: usize,
    /// Clients of each
    #[arg(long, default_value_t = 100_000)]
    clients: usize,
    /// A fleet of 5 replicas with 400 clients each, for a test
    #[arg(long)]
    small: bool,
    /// Only this
    #[arg(long)]
    only: Option<Question>,
    /// Cores of a replica
    #[arg(long, default_value_t = 2)]
    cores: usize,
    /// CPU time of one response, in microseconds. `ads-load` measures it
    #[arg(long, default_value_t = 40)]
    response: u64,
    /// New streams a second that a replica admits
    #[arg(long, default_value_t = 1_000)]
    admissions: u64,
    /// How long a new stream waits for its turn before it is refused, in seconds
    #[arg(long, default_value_t = 1)]
    wait: u64,
    /// Streams a second that a replica with more than its share ends, at least
    #[arg(long, default_value_t = 10)]
    shed: u32,
    /// The balancer draws so many replicas and chooses the one with the fewest clients
    #[arg(long, default_value_t = 1)]
    choices: u64,
    /// How long a replica takes to end its streams before a restart, in seconds
    #[arg(long, default_value_t = 60)]
    drain: u64,
    /// Replicas that are simulated at once [default: as many as there are cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Where the plots go
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Question {
    /// Convergence against the rate of changes
    Rates,
    /// A tenth of the replicas die
    Loss,
    /// All replicas are restarted
    Rolling,
}

impl Question {
    const ALL: [Self; 3] = [Self::Rates, Self::Loss, Self::Rolling];
}

impl Cli {
    fn questions(&self) -> impl Iterator<Item = Question> {
        let only = self.only;
        Question::ALL.into_iter().filter(move |it| only.is_none_or(|only| only == *it))
    }

    fn setting(&self) -> Setting {
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let (replicas, clients) =
            if self.small { (5, 400) } else { (self.replicas.max(1), self.clients.max(1)) };
        Setting {
            replicas,
            clients,
            limit: clients + clients / 4,
            cores: self.cores.max(1),
            response: self.response.max(1),
            admissions: self.admissions.clamp(1, SECOND),
            burst: self.admissions.max(1),
            wait: self.wait * SECOND,
            shed: self.shed,
            choices: self.choices.max(1),
            age: 1_800 * SECOND,
            drain: self.drain.max(1) * SECOND,
            away: 10 * SECOND,
            threads: self.threads.unwrap_or(available).max(1),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let setting = cli.setting();
    report::setting(&setting);
    for question in cli.questions() {
        let (name, panels) = report::answer(question, &setting, cli.small);
        if let Some(dir) = &cli.plots {
            std::fs::create_dir_all(dir)?;
            std::fs::write(dir.join(name), plot::svg(panels)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, but all of it: the oracle beside each queue panics if an answer is early or late.
    #[test]
    fn a_small_fleet() {
        let cli = Cli::parse_from(["fleet-sim", "--small"]);
        for question in cli.questions() {
            let (name, panels) = report::answer(question, &cli.setting(), true);
            assert!(panels.iter().flat_map(|panel| &panel.lines).all(|(_, line)| !line.is_empty()));
            assert!(plot::svg(panels).unwrap().contains("</svg>"), "{name}");
        }
    }
}
