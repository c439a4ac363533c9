//! What etcd bears, and what a replica's own work costs.

mod looks;
mod replicas;
mod writes;

use crate::etcd::client::Client;
use crate::etcd::flags::EtcdFlags;
use crate::etcd::keys::Keys;
use crate::etcd::proto::{DeleteRangeRequest, Op, RequestOp, TxnRequest};
use clap::Subcommand;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Measure {
    /// Writers and watchers of single keys
    Writes(writes::Writes),
    /// Replicas without clients, with all that they do in etcd
    Replicas(replicas::Replicas),
    /// What it takes a replica to look at its clients. Needs no etcd
    Looks(looks::Looks),
}

impl Measure {
    pub(super) async fn run(self) -> Result<ExitCode, String> {
        match self {
            Measure::Writes(writes) => writes.run().await?,
            Measure::Replicas(replicas) => replicas.run().await?,
            Measure::Looks(looks) => looks.run().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The same etcd with keys that nothing else has.
fn apart(flags: &EtcdFlags) -> (EtcdFlags, Keys) {
    let mut flags = flags.clone();
    flags.etcd_prefix += ".measure";
    let keys = Keys::new(&flags.etcd_prefix);
    (flags, keys)
}

/// The revision of the write.
async fn write(client: &Client, operation: Op) -> Result<u64, String> {
    let success = vec![RequestOp { request: Some(operation) }];
    let revision = client.transact(TxnRequest { compare: Vec::new(), success }).await?;
    Ok(revision.map_or(0, |revision| revision as u64))
}

fn removal(key: Vec<u8>) -> Op {
    Op::Delete(DeleteRangeRequest { key })
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let of = |part: f64| {
        let at = (times.len() as f64 * part) as usize;
        times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    format!("p50 {:.1?}, p99 {:.1?}, at most {:.1?}", of(0.5), of(0.99), of(1.0))
}

/// The CPU time that the first endpoint's etcd has taken, as its metrics have it. They are read
/// without TLS only.
struct Cpu {
    url: String,
    begin: Option<(Instant, f64)>,
}

impl Cpu {
    fn new(flags: &EtcdFlags) -> Self {
        let url = flags.etcd.first().cloned().unwrap_or_default();
        let begin = seconds_of(&url).map(|seconds| (Instant::now(), seconds));
        Self { url, begin }
    }

    fn print(self) {
        let end = seconds_of(&self.url);
        if let Some(((begin, before), after)) = self.begin.zip(end) {
            let part = (after - before) / begin.elapsed().as_secs_f64();
            println!("etcd      {:.0} % of a core", part * 100.0);
        }
    }
}

fn seconds_of(url: &str) -> Option<f64> {
    let host = url.strip_prefix("http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("process_cpu_seconds_total "))?.trim().parse().ok()
}
