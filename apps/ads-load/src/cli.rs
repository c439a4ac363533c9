//! The command line.

use clap::{Parser, ValueEnum};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Design {
    /// The crate's.
    Pushlane,
    /// One broadcast channel; every stream computes its response anew at every change.
    Naive,
}

/// Loads an ADS server with many streams, and tells how it fared.
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
    /// Services; a client watches two of them, and one that everybody watches.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) services: usize,
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
    /// To be the server.
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

    /// What it watches.
    pub(crate) fn watches(&self, client: usize) -> Vec<String> {
        let services = self.services.max(1);
        let (one, two) = (client % services, (client * 7 + 13) % services);
        let mut names = vec![crate::world::EVERYONE.into(), crate::world::service(one)];
        if one != two {
            names.push(crate::world::service(two));
        }
        names
    }
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Healthy,
    Slow,
    Stuck,
}
