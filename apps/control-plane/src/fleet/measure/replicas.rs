//! Replicas as they are, many in one process, each with a connection of its own: leases, records,
//! reads, watches. They have no clients, so each has a change as soon as it hears of it, and writes
//! its record as often as it may.

use super::{Cpu, apart, quantiles, removal, write};
use crate::etcd::client::Client;
use crate::etcd::flags::EtcdFlags;
use crate::etcd::keys::Keys;
use crate::etcd::proto::{Op, PutRequest};
use crate::fleet::FleetFlags;
use crate::fleet::member::read;
use crate::fleet::replica::Replica;
use crate::limits::{count, seconds};
use crate::source::Source;
use clap::Args;
use pushlane::adapters::xds::{Ads, Limits};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[derive(Clone, Debug, Args)]
pub(crate) struct Replicas {
    /// Replicas
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count())]
    replicas: usize,
    /// Changes a second, each of which makes every replica's record a new one
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count())]
    rate: usize,
    /// For how long there are changes
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    seconds: Duration,
    /// How long a record stays that is not renewed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::fleet::lease)]
    lease: Duration,
    #[command(flatten)]
    etcd: EtcdFlags,
}

/// Between two reads of all records, as `wait` does it.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a change may take to be everywhere. Records of an earlier measurement count until their
/// leases expire.
const LAST: Duration = Duration::from_secs(30);

impl Replicas {
    pub(super) async fn run(self) -> Result<(), String> {
        let (flags, keys) = apart(&self.etcd);
        let client = Client::new(&flags)?;
        let replicas = (0..self.replicas)
            .map(|number| self.start(&flags, number))
            .collect::<Result<Vec<_>, _>>()?;
        let marker = keys.marker("measure");
        let change = || Op::Put(PutRequest { key: marker.clone(), value: vec![0; 3], lease: 0 });
        let (changes, written) = mpsc::unbounded_channel();
        let looker = Looker { client: Client::new(&flags)?, keys, replicas: self.replicas };
        let first = write(&client, change()).await?;
        looker.until(first, Instant::now() + LAST).await?;

        let (cpu, epoch) = (Cpu::new(&flags), Instant::now());
        let looking = tokio::spawn(looker.run(written));
        let mut took = Vec::new();
        let mut last = first;
        for number in 0.. {
            let due = Duration::from_secs(1).mul_f64(f64::from(number) / self.rate as f64);
            if due >= self.seconds {
                break;
            }
            tokio::time::sleep_until((epoch + due).into()).await;
            let begin = Instant::now();
            last = write(&client, change()).await?;
            took.push(begin.elapsed());
            let _ = changes.send((begin, last));
        }
        let passed = epoch.elapsed().as_secs_f64();
        cpu.print();
        drop(changes);
        let rate = |count: usize| count as f64 / passed;
        let others = (last - first) as usize - took.len();
        println!("records   {:.0} written a second", rate(others));
        println!("changes   {:.0} a second, {}", rate(took.len()), quantiles(&mut took));
        let mut everywhere = looking.await.map_err(|error| error.to_string())??;
        println!("everyone  {}", quantiles(&mut everywhere));
        write(&client, removal(marker)).await?;
        let mut ends = JoinSet::new();
        for replica in replicas {
            ends.spawn(replica.end(LAST, Duration::ZERO));
        }
        ends.join_all().await;
        Ok(())
    }

    fn start(&self, etcd: &EtcdFlags, number: usize) -> Result<Replica, String> {
        let mut limits = Limits::default();
        limits.streams = 1;
        let ads = Ads::builder().limits(limits).shared_revisions().start();
        let fleet = FleetFlags {
            replica: Some(format!("replica-{number}")),
            advertise: Some(format!("replica-{number}.example:18000")),
            lease: self.lease,
            shed_rate: 0,
            view_by_cluster: false,
        };
        let source = Arc::new(Mutex::new(Source::new(None)));
        let complain = |line: &str| {
            if !line.contains("has a lease") {
                eprintln!("{line}");
            }
        };
        let nowhere = ([127, 0, 0, 1], 0).into();
        Replica::start((etcd, &fleet), &ads, source, nowhere, (|_| {}, complain))
    }
}

/// Reads all records again and again, as `wait` does.
struct Looker {
    client: Client,
    keys: Keys,
    replicas: usize,
}

impl Looker {
    /// The newest revision that all records say, or 0 if records are missing.
    async fn everywhere(&self) -> Result<u64, String> {
        let (records, _) = read(&self.client, &self.keys).await?;
        let all = records.iter().map(|it| if it.joining == 0 { it.revision } else { 0 }).min();
        Ok(all.filter(|_| records.len() == self.replicas).unwrap_or(0))
    }

    async fn until(&self, revision: u64, end: Instant) -> Result<(), String> {
        while self.everywhere().await? < revision {
            if Instant::now() >= end {
                return Err(format!("revision {revision} is not everywhere after {LAST:?}"));
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    /// From before each change until all records said so.
    async fn run(
        self,
        mut written: mpsc::UnboundedReceiver<(Instant, u64)>,
    ) -> Result<Vec<Duration>, String> {
        let mut took = Vec::new();
        while let Some((begin, revision)) = written.recv().await {
            self.until(revision, begin + LAST).await?;
            took.push(begin.elapsed());
        }
        Ok(took)
    }
}
