//! Several replicas that serve one state: who has what, and who serves how many.

pub(crate) mod command;
mod convergence;
mod fence;
mod gate;
mod measure;
mod member;
mod record;
pub(crate) mod replica;
mod share;

use crate::limits::seconds;
use clap::Args;
use std::time::Duration;

/// The flags of a replica, beside those of etcd.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Replicas, with --etcd")]
pub(crate) struct FleetFlags {
    /// This replica's name, unlike all others' [default: its address]
    #[arg(long, value_name = "NAME", requires = "etcd")]
    pub(crate) replica: Option<String>,
    /// Where clients reach this replica, for its record [default: the address of --listen]
    #[arg(long, value_name = "ADDRESS", requires = "etcd")]
    pub(crate) advertise: Option<String>,
    /// How long the record of a replica stays that does not renew it. A replica that is cut off
    /// from etcd for half of it ends its streams, so that its clients are counted elsewhere
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) lease: Duration,
    /// Streams a second that are ended while this replica has more than its share, or a tenth of
    /// those beyond it if that is more, but no more than --admissions. 0: none
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) shed_rate: u32,
    /// A client's view is its node's cluster, instead of `default` for all
    #[arg(long, requires = "etcd")]
    pub(crate) view_by_cluster: bool,
}
