//! The command line.

use crate::admin::AdminFlags;
use crate::certificates::TlsFlags;
use crate::etcd::flags::EtcdFlags;
use crate::fleet::FleetFlags;
use crate::fleet::command::Command;
use crate::limits::{LimitFlags, seconds};
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Serves a directory of resources to xDS clients such as gRPC and Envoy, over ADS, state of the
/// world and delta. A change of the directory reaches the clients within milliseconds.
///
/// Without --resources it serves a small built-in set: the gRPC target `xds:///echo` is
/// 127.0.0.1:50051, and Envoy listens for it on 127.0.0.1:10000.
#[derive(Debug, Parser)]
#[command(name = "control-plane", after_long_help = AFTER, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Address for clients. Port 0: any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18000")]
    pub(crate) listen: SocketAddr,
    /// The directory with the desired state. It is watched
    #[arg(long, value_name = "DIR", conflicts_with = "etcd")]
    pub(crate) resources: Option<PathBuf>,
    /// Report what is wrong with the directory's file, and exit. References that lead nowhere, such
    /// as a route to a cluster that isn't there, are warnings
    #[arg(long, requires = "resources")]
    pub(crate) check: bool,
    /// With --check: references that lead nowhere are errors
    #[arg(long, requires = "check")]
    pub(crate) strict: bool,
    /// Exit after this time
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// How long clients may take to answer and leave at the end
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) drain: Duration,

    #[command(flatten)]
    pub(crate) admin: AdminFlags,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,

    /// Serve grpc.health.v1 on the clients' port
    #[arg(long, help_heading = "Services")]
    pub(crate) health: bool,
    /// Serve client status discovery (CSDS) on the clients' port. Every client can read it
    #[arg(long, help_heading = "Services")]
    pub(crate) client_status: bool,
    /// Print a line for each response that is larger than --response-bytes and can't be split
    #[arg(long, help_heading = "Services")]
    pub(crate) events: bool,

    #[command(flatten)]
    pub(crate) etcd: EtcdFlags,
    #[command(flatten)]
    pub(crate) fleet: FleetFlags,

    #[command(flatten)]
    pub(crate) limits: LimitFlags,
}

const AFTER: &str = "\
ADMIN PAGE, for browsers at / and for programs at
  /metrics                 Prometheus text
  /status.json             the directory, its faults, the newest change, counters
  /clients.json            every stream, with what it subscribes to and how far it is
  /config_dump[?node=ID]   names, versions and sizes of the resources, all or those of a node
  /ready                   200 while there is a state and clients are admitted, else 503
  /healthz                 200 as long as the process runs

FILES, of which the first that exists is read:
  resources.b64.json  {\"resources\": [{\"type_url\": ..., \"name\": ..., \"value\": base64}]}: exact bytes
  resources.json      {\"resources\": [{\"@type\": ..., ...}]}: proto3 JSON, as in Envoy's files
  resources.yaml      the same as YAML

A resource that is absent from the file is removed. Before the first file nothing is served. A file with a fault \
changes nothing; each fault is reported with line, column, resource and field. Replace the file by renaming another \
one over it. SIGHUP reads resources and certificates at once; SIGTERM and SIGINT drain and exit.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["control-plane", "--for", "1.5", "--listen", "127.0.0.1:0"]);
        assert_eq!((cli.duration, cli.listen.port()), (Some(Duration::from_millis(1500)), 0));
        assert!(Cli::try_parse_from(["control-plane", "--for", "-1"]).is_err());
        assert!(Cli::try_parse_from(["control-plane", "--check"]).is_err());
    }
}
