//! Writers of single keys, watchers, sizes of values.

use super::{Cpu, apart, quantiles, removal, write};
use crate::etcd::client::Client;
use crate::etcd::flags::EtcdFlags;
use crate::etcd::proto::{Event, Op, PutRequest};
use crate::limits::{count, seconds};
use clap::Args;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Clone, Debug, Args)]
pub(crate) struct Writes {
    /// Writers, each of which waits for its last write
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count())]
    writers: usize,
    /// Watchers of all that is written, each on a connection of its own as a replica is
    #[arg(long, value_name = "N", default_value_t = 100)]
    watchers: usize,
    /// Bytes of a value, at least 8
    #[arg(long, value_name = "BYTES", default_value_t = 1_000, value_parser = count())]
    bytes: usize,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    #[command(flatten)]
    etcd: EtcdFlags,
}

/// How long the watchers may take to hear of the last write.
const LAST: Duration = Duration::from_millis(500);

impl Writes {
    pub(super) async fn run(self) -> Result<(), String> {
        let (client, (_, keys)) = (Client::new(&self.etcd)?, apart(&self.etcd));
        let (begin, end) = keys.state();
        let next = client.revision(&begin).await? + 1;
        let mut watches = Vec::new();
        for _ in 0..self.watchers {
            watches.push(Client::new(&self.etcd)?.watch((&begin, &end), next).await?);
        }
        let cpu = Cpu::new(&self.etcd);
        let (epoch, mut watchers) = (Instant::now(), JoinSet::new());
        for mut watching in watches {
            watchers.spawn(async move {
                let mut delays = Vec::new();
                let until = epoch + self.seconds + LAST;
                while let Ok(Ok(response)) =
                    tokio::time::timeout_at(until.into(), watching.next()).await
                {
                    delays.extend(response.events.iter().filter_map(|event| delay(event, epoch)));
                }
                delays
            });
        }
        let mut writers = JoinSet::new();
        for writer in 0..self.writers {
            let client = Client::new(&self.etcd)?;
            let key = [&*begin, writer.to_string().as_bytes()].concat();
            writers.spawn(async move {
                let mut took = Vec::new();
                while epoch.elapsed() < self.seconds {
                    let (at, mut value) = (Instant::now(), vec![0; self.bytes.max(8)]);
                    value[..8].copy_from_slice(&(epoch.elapsed().as_micros() as u64).to_le_bytes());
                    let put = Op::Put(PutRequest { key: key.clone(), value, lease: 0 });
                    write(&client, put).await?;
                    took.push(at.elapsed());
                }
                write(&client, removal(key)).await?;
                Ok::<_, String>(took)
            });
        }
        let mut writes = Vec::new();
        while let Some(done) = writers.join_next().await {
            writes.extend(done.map_err(|error| error.to_string())??);
        }
        let wrote = epoch.elapsed().as_secs_f64();
        cpu.print();
        let mut delays = Vec::new();
        while let Some(done) = watchers.join_next().await {
            delays.extend(done.map_err(|error| error.to_string())?);
        }
        let rate = |count: usize| count as f64 / wrote;
        println!("writes    {:.0} a second, {}", rate(writes.len()), quantiles(&mut writes));
        println!("events    {:.0} a second, {}", rate(delays.len()), quantiles(&mut delays));
        Ok(())
    }
}

/// From before the write to its event.
fn delay(event: &Event, epoch: Instant) -> Option<Duration> {
    let written = event.kv.as_ref()?.value.first_chunk()?;
    let written = Duration::from_micros(u64::from_le_bytes(*written));
    Some(epoch.elapsed().saturating_sub(written))
}
