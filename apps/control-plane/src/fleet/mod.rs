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
    #[arg(long, value_name = "NAME", requires = "etcd", value_parser = name)]
    pub(crate) replica: Option<String>,
    /// Where clients reach this replica, for its record [default: the address of --listen]
    #[arg(long, value_name = "ADDRESS", requires = "etcd")]
    pub(crate) advertise: Option<String>,
    /// How long the record of a replica stays that does not renew it. A replica that is cut off
    /// from etcd for half of it ends its streams, so that its clients are counted elsewhere
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = lease)]
    #[arg(requires = "etcd")]
    pub(crate) lease: Duration,
    /// Streams a second that are ended while this replica has more than its share, or a tenth of
    /// those beyond it if that is more, but no more than --admissions. 0: none
    #[arg(long, value_name = "N", default_value_t = 10, requires = "etcd")]
    pub(crate) shed_rate: u32,
    /// A client's view is its node's cluster, instead of `default` for all
    #[arg(long, requires = "etcd")]
    pub(crate) view_by_cluster: bool,
}

/// A replica's name. A limit for `*` is that of all replicas.
fn name(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text != "*" && !text.contains('/');
    fits.then(|| text.to_owned()).ok_or("expected a name without slashes, and not *".into())
}

/// etcd counts in seconds.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = seconds(text)?;
    let fits = lease >= Duration::from_secs(1);
    fits.then_some(lease).ok_or("expected at least 1 second".into())
}
