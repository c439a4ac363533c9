//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Design {
    /// The crate's.
    Pushlane,
    /// One broadcast channel; every stream computes its response anew at every change.
    Naive,
    /// HTTP/2 and nothing else: what this stack costs by itself.
    Floor,
}

/// Loads an ADS server with many streams, and reports latency, CPU and memory.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Cli {
    /// Streams.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) clients: usize,
    /// Changes a second.
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u64,
    /// For how long there are changes.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Services.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) services: usize,
    /// Services that a client watches, and besides them one that everybody watches.
    #[arg(long, default_value_t = 2)]
    pub(crate) watch: usize,
    /// Views: client n belongs to view n modulo this, and every view has all services. The other
    /// servers have none.
    #[arg(long, default_value_t = 1)]
    pub(crate) views: usize,
    /// The clients speak the incremental protocol. The other servers don't, and are left out.
    #[arg(long)]
    pub(crate) delta: bool,
    /// Writes an SVG: how latency is distributed, CPU and memory of the server over time.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// One change in this many is for everybody. 0: none.
    #[arg(long, default_value_t = 100)]
    pub(crate) everyone: u64,
    /// One client in this many takes 2 s to answer. 0: none.
    #[arg(long, default_value_t = 100)]
    pub(crate) slow: usize,
    /// One client in this many reads nothing after its first response. 0: none.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) stuck: usize,
    /// Streams a connection.
    #[arg(long, default_value_t = 100)]
    pub(crate) per_connection: usize,
    /// Only this design.
    #[arg(long)]
    pub(crate) design: Option<Design>,
    /// Be the server.
    #[arg(long, hide = true)]
    pub(crate) serve: Option<Design>,
}

impl Cli {
    /// What kind of client the one of this number is.
    pub(crate) fn kind(&self, client: usize) -> Kind {
        let one_in = |many: usize| many > 0 && client % many == many - 1;
        if one_in(self.stuck) {
            Kind::Stuck
        } else if one_in(self.slow) {
            Kind::Slow
        } else {
            Kind::Healthy
        }
    }

    /// The names that the client of this number watches.
    pub(crate) fn watches(&self, client: usize) -> Vec<String> {
        let services = self.services.max(1);
        // Odd multiples spread the clients evenly over the services.
        let numbers = (0..self.watch).map(|nth| match nth {
            0 => client % services,
            nth => (client * (4 * nth + 3) + 13 * nth) % services,
        });
        let numbers: BTreeSet<_> = numbers.collect();
        let names = numbers.into_iter().map(crate::world::service);
        [crate::world::EVERYONE.into()].into_iter().chain(names).collect()
    }

    /// The designs to run.
    pub(crate) fn designs(&self) -> impl Iterator<Item = Design> + '_ {
        let all = [Design::Pushlane, Design::Naive, Design::Floor].into_iter();
        all.filter(|&design| {
            self.design.is_none_or(|only| only == design)
                && (!self.delta || design == Design::Pushlane)
        })
    }

    /// The view that the client of this number belongs to.
    pub(crate) fn view(&self, client: usize) -> String {
        view(client % self.views.max(1))
    }
}

pub(crate) fn view(number: usize) -> String {
    format!("view-{number}")
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Healthy,
    Slow,
    Stuck,
}
