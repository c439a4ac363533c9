//! `put`, `status` and `wait`: what an operator does with the fleet.

use super::measure::Measure;
use super::member::read;
use super::record::Record;
use crate::etcd::client::Client;
use crate::etcd::flags::EtcdFlags;
use crate::etcd::keys::{Keys, Place};
use crate::etcd::proto::{Compare, DeleteRangeRequest, Op, PutRequest, RequestOp, TxnRequest};
use crate::limits::seconds;
use crate::resources::{Resource, find, nothing_in, parse};
use crate::serve::{complain, print};
use crate::source::lines;
use clap::{Args, Subcommand};
use prost::Message;
use pushlane::adapters::xds::proto::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a desired state to etcd as one transaction, and print its revision
    Put(Put),
    /// Print the replicas, their clients, and who is behind
    Status(Status),
    /// Set how many streams a replica admits, or each of all replicas. Streams beyond it end at
    /// --shed-rate. The limit stays in etcd until it is set to none
    Limit(Limit),
    /// Measure what etcd bears, and what a replica's own work costs. What is written is removed
    /// again
    #[command(subcommand)]
    Measure(Measure),
    /// Wait until all clients of all replicas have a revision. Exits with 0; with 1 if the time is
    /// up, and says who is behind; with 2 if etcd can't be read
    Wait(Wait),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Put {
    /// A file, or a directory with one, as for --resources
    path: PathBuf,
    /// The view that this is all of
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = view)]
    view: String,
    #[command(flatten)]
    etcd: EtcdFlags,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    etcd: EtcdFlags,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Limit {
    /// A number, or none: as many as --streams of the replica
    #[arg(value_name = "N", value_parser = limit)]
    streams: Wanted,
    /// Only this replica's; it prevails over that of all
    #[arg(long, value_name = "NAME", value_parser = super::name)]
    replica: Option<String>,
    #[command(flatten)]
    etcd: EtcdFlags,
}

/// `None`: there is no limit but the replica's own.
#[derive(Clone, Copy, Debug)]
struct Wanted(Option<u64>);

fn limit(text: &str) -> Result<Wanted, String> {
    match text {
        "none" => Ok(Wanted(None)),
        text => {
            text.parse().map(|it| Wanted(Some(it))).map_err(|_| "expected a number, or none".into())
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Wait {
    /// As `put` prints it
    #[arg(long, value_name = "N")]
    revision: u64,
    /// How long to wait; a unit may follow: 30s
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = with_unit)]
    timeout: Duration,
    #[command(flatten)]
    etcd: EtcdFlags,
}

fn with_unit(text: &str) -> Result<Duration, String> {
    seconds(text.strip_suffix('s').unwrap_or(text))
}

fn view(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.contains('/');
    fits.then(|| text.to_owned()).ok_or("expected a name without slashes".into())
}

const FAILED: u8 = 2;
/// Attempts of `put`, when others write at the same time.
const ATTEMPTS: usize = 10;
/// Between two looks of `wait`.
const AGAIN: Duration = Duration::from_millis(50);

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let done = match runtime {
            Err(error) => Err(error.to_string()),
            Ok(runtime) => runtime.block_on(async {
                match self {
                    Command::Put(put) => put.run().await,
                    Command::Status(status) => status.run().await,
                    Command::Limit(limit) => limit.run().await,
                    Command::Measure(measure) => measure.run().await,
                    Command::Wait(wait) => wait.run().await,
                }
            }),
        };
        done.unwrap_or_else(|why| {
            why.lines().for_each(complain);
            ExitCode::from(FAILED)
        })
    }
}

fn connect(flags: &EtcdFlags) -> Result<(Client, Keys), String> {
    Ok((Client::new(flags)?, Keys::new(&flags.etcd_prefix)))
}

impl Put {
    async fn run(self) -> Result<ExitCode, String> {
        let resources = load(&self.path)?;
        let (client, keys) = connect(&self.etcd)?;
        let mut desired = BTreeMap::new();
        for Resource { type_url, name, value } in resources {
            let key = keys.resource(&self.view, &type_url, &name);
            let place =
                Place { view: self.view.clone(), resource: Some((type_url.clone(), name.clone())) };
            if keys.parse(&key).as_ref() != Ok(&place) {
                return Err(format!("{name:?} of type {type_url:?}: no key can say this type"));
            }
            desired.insert(key, Any { type_url, value: value.into() }.encode_to_vec());
        }
        for _ in 0..ATTEMPTS {
            if let Some(revision) = self.attempt(&client, &keys, &desired).await? {
                print(&revision.to_string())
                    .map_err(|why| format!("revision {revision} is written; {why}"))?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        Err(format!("view {}: others change it all the time", self.view))
    }

    /// Writes what differs, and the marker, unless the view was written meanwhile.
    async fn attempt(
        &self,
        client: &Client,
        keys: &Keys,
        desired: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Option<i64>, String> {
        let (begin, end) = keys.view(&self.view);
        let there = client.range((&begin, &end)).await?;
        let marker = keys.marker(&self.view);
        let not_since = |key: &[u8], range_end: &[u8]| Compare {
            result: Compare::LESS,
            target: Compare::MOD,
            key: key.to_vec(),
            mod_revision: Some(there.revision + 1),
            range_end: range_end.to_vec(),
        };
        // The marker tells of removals, which leave nothing to compare.
        let compare = vec![not_since(&begin, &end), not_since(&marker, &[])];
        let put = |key: &[u8], value: &[u8]| {
            let (key, value) = (key.to_vec(), value.to_vec());
            Op::Put(PutRequest { key, value, lease: 0 })
        };
        let mut old: BTreeMap<_, _> =
            there.kvs.iter().map(|kv| (kv.key.as_slice(), kv.value.as_slice())).collect();
        let mut operations = vec![put(&marker, b"put")];
        for (key, value) in desired {
            if old.remove(key.as_slice()) != Some(value) {
                operations.push(put(key, value));
            }
        }
        let gone = old.into_keys().map(|key| Op::Delete(DeleteRangeRequest { key: key.to_vec() }));
        operations.extend(gone);
        let success: Vec<_> =
            operations.into_iter().map(|it| RequestOp { request: Some(it) }).collect();
        let (count, request) = (success.len(), TxnRequest { compare, success });
        let bytes = request.encoded_len();
        client.transact(request).await.map_err(|why| match () {
            () if why.contains("too many operations") => {
                format!("{why}: {count} are needed; etcd's --max-txn-ops allows more")
            }
            // Of etcd, and of its gRPC library, which refuses what is larger by half a MiB.
            () if why.contains("too large") || why.contains("larger than max") => {
                format!("{why}: it has {bytes} bytes; etcd's --max-request-bytes allows more")
            }
            () => why,
        })
    }
}

fn load(path: &Path) -> Result<Vec<Resource>, String> {
    let bad = |error: std::io::Error| format!("{}: {error}", path.display());
    let (name, content) = if path.is_dir() {
        let (name, content) = find(path).map_err(bad)?.ok_or_else(|| nothing_in(path))?;
        (name.to_owned(), content)
    } else {
        (path.display().to_string(), crate::file::read(path).map_err(bad)?)
    };
    parse(&name, &content).map_err(|faults| lines(&name, &faults).join("\n"))
}

impl Status {
    async fn run(self) -> Result<ExitCode, String> {
        let (client, keys) = connect(&self.etcd)?;
        let (records, _) = read(&client, &keys).await?;
        for record in &records {
            print(&record.to_string())?;
        }
        let (count, clients) = (records.len(), records.iter().map(|it| it.clients).sum::<u64>());
        let joining: u64 = records.iter().map(|record| record.joining).sum();
        let all = records.iter().map(|record| record.revision).min().unwrap_or(0);
        match joining {
            0 => print(&format!("{count} replicas, {clients} clients, all have {all}"))?,
            some => print(&format!("{count} replicas, {clients} clients, {some} joining"))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Limit {
    async fn run(self) -> Result<ExitCode, String> {
        let (client, keys) = connect(&self.etcd)?;
        let key = keys.limit(self.replica.as_deref());
        let operation = match self.streams.0 {
            Some(streams) => {
                Op::Put(PutRequest { key, value: streams.to_string().into(), lease: 0 })
            }
            None => Op::Delete(DeleteRangeRequest { key }),
        };
        let success = vec![RequestOp { request: Some(operation) }];
        client.transact(TxnRequest { compare: Vec::new(), success }).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Wait {
    async fn run(self) -> Result<ExitCode, String> {
        let (client, keys) = connect(&self.etcd)?;
        let end = Instant::now() + self.timeout;
        let mut last = Err("the time was up before etcd had answered".to_owned());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, read(&client, &keys)).await {
                Ok(Ok((records, _))) if everywhere(&records, self.revision) => {
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(read) => last = read,
                Err(_) => break,
            }
            tokio::time::sleep(AGAIN).await;
        }
        let (records, _) = last?;
        if records.is_empty() {
            complain("there is no replica");
        }
        let late = records.iter().filter(|record| !record.has(self.revision));
        late.for_each(|record| complain(&record.to_string()));
        Ok(ExitCode::from(1))
    }
}

/// Whether all clients of all replicas have the revision.
fn everywhere(records: &[Record], revision: u64) -> bool {
    !records.is_empty() && records.iter().all(|record| record.has(revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_everywhere_if_every_record_says_so() {
        let record = |revision, joining| Record { revision, joining, ..Record::default() };
        assert!(everywhere(&[record(7, 0), record(8, 0)], 7));
        assert!(!everywhere(&[record(7, 0), record(8, 0)], 8));
        assert!(!everywhere(&[record(7, 0), record(8, 1)], 7));
        assert!(!everywhere(&[], 7), "no replica says so");
    }
}
