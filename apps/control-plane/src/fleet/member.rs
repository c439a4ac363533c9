//! Keeps this replica's record in etcd, under its lease, and its number of clients near its share.

use super::convergence::{Convergence, Step};
use super::gate::Gate;
use super::record::Record;
use super::share::{Pace, excess, first_to_go};
use crate::etcd::client::Client;
use crate::etcd::keys::Keys;
use crate::etcd::proto::{Compare, Op, PutRequest, RequestOp, TxnRequest};
use pushlane::adapters::xds::Ads;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Between two looks at the clients.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at the other records, and two writes of a record in which only numbers of
/// clients have changed: they change all the time.
const OTHERS: Duration = Duration::from_secs(1);

/// What the member is and works with.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) client: Client,
    pub(super) keys: Keys,
    pub(super) ads: Ads,
    pub(super) gate: Arc<Gate>,
    pub(super) id: String,
    pub(super) address: String,
    pub(super) lease: Duration,
    pub(super) shed_rate: u32,
    /// What of the state can't be served.
    pub(super) fault: Arc<Mutex<Option<String>>>,
}

#[derive(Debug)]
struct Lease {
    id: i64,
    renewed: Instant,
}

/// What is in etcd, as far as it is known.
#[derive(Debug, Default)]
struct Written {
    lease: Option<Lease>,
    /// The revision of the record, 0 if there is none. `None`: not known.
    at: Option<i64>,
    record: Option<Record>,
    last: Option<Instant>,
}

impl Written {
    /// Whether the record says something else, for which others wait.
    fn differs(&self, record: &Record) -> bool {
        let Some(written) = &self.record else { return true };
        let same_clients = Record { clients: written.clients, ..record.clone() };
        let long_ago = self.last.is_none_or(|last| last.elapsed() >= OTHERS);
        *written != same_clients || (long_ago && written != record)
    }
}

impl Member {
    /// Until `end`, which says how many clients have gone at the end. Then the record is written
    /// once more and left to expire.
    pub(super) async fn run(
        self,
        mut steps: mpsc::UnboundedReceiver<Step>,
        mut end: oneshot::Receiver<u64>,
        valid: watch::Sender<Instant>,
        tell: impl Fn(&str),
    ) {
        let mut convergence = Convergence::new(self.ads.clone(), self.lease);
        let (mut written, mut others) = (Written::default(), (0, Vec::new()));
        let (mut pace, mut looked) = (Pace::new(self.shed_rate, Instant::now()), Instant::now());
        let (mut first, mut trouble) = (true, String::new());
        loop {
            let ending = tokio::select! {
                () = tokio::time::sleep(LOOK) => None,
                gone = &mut end => Some(gone.unwrap_or(0)),
            };
            while let Ok(step) = steps.try_recv() {
                convergence.published(step);
            }
            let mut done = self.renew(&mut written, &valid).await;
            if done.is_ok() && std::mem::replace(&mut first, done.is_err()) && written.at > Some(0)
            {
                convergence.inherit();
            }
            let mut record = self.record(&mut convergence).await;
            if let Some(gone) = ending {
                // They are on their way to other replicas.
                record.joining = record.joining.max(gone);
            }
            if done.is_ok() {
                done = self.write(&mut written, &record).await;
            }
            if done.is_ok() && looked.elapsed() >= OTHERS {
                looked = Instant::now();
                if let Ok(records) = read(&self.client, &self.keys).await {
                    // Those that admit nobody will soon have no clients.
                    let limits = records.iter().map(|it| it.stream_limit).filter(|it| *it > 0);
                    others = (records.iter().map(|it| it.clients).sum(), limits.collect());
                }
                done = self.look_at_limit(&tell).await;
            }
            match done {
                Ok(()) => trouble.clear(),
                Err(why) if why == trouble => {}
                Err(why) => {
                    tell(&why);
                    trouble = why;
                }
            }
            if ending.is_some() {
                return;
            }
            let limit = self.gate.wanted().map(|limit| limit as u64);
            let over = limit.map_or(0, |it| excess(record.clients, others.0, &others.1, it));
            let count = pace.take(over, Instant::now()) as usize;
            if count > 0 {
                for stream in first_to_go(&self.ads.clients(), count) {
                    self.ads.disconnect(stream);
                }
            }
        }
    }

    /// The limit of streams that the operator has set for this replica, or for all.
    async fn look_at_limit(&self, tell: &impl Fn(&str)) -> Result<(), String> {
        let (begin, end) = self.keys.limits();
        let there = self.client.range((&begin, &end)).await?.kvs;
        let of = |id| there.iter().find(|kv| kv.key == self.keys.limit(id));
        let wanted = match of(Some(&self.id)).or(of(None)) {
            None => None,
            Some(kv) => {
                let number = str::from_utf8(&kv.value).ok().and_then(|text| text.parse().ok());
                Some(number.ok_or_else(|| {
                    let (key, revision) = (String::from_utf8_lossy(&kv.key), kv.mod_revision);
                    format!("key {key:?}, revision {revision}: expected a number of streams")
                })?)
            }
        };
        if self.gate.limit(wanted)
            && let Some(limit) = self.gate.wanted()
        {
            tell(&format!("from now on {limit} streams are admitted"));
        }
        Ok(())
    }

    async fn record(&self, convergence: &mut Convergence) -> Record {
        let seen = convergence.look().await;
        Record {
            id: self.id.clone(),
            address: self.address.clone(),
            clients: seen.clients,
            stream_limit: self.ads.stream_limit() as u64,
            permits: self.ads.metrics().permits,
            applied: seen.applied,
            revision: seen.revision,
            joining: seen.joining,
            behind: seen.behind,
            behind_count: seen.behind_count,
            fault: self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Makes sure that there is a lease, and that the revision of the record is known.
    async fn renew(
        &self,
        written: &mut Written,
        valid: &watch::Sender<Instant>,
    ) -> Result<(), String> {
        if let Some(lease) = &mut written.lease
            && lease.renewed.elapsed() >= self.lease / 3
        {
            let begin = Instant::now();
            match self.client.keep_alive(lease.id).await? {
                Some(until) => {
                    lease.renewed = begin;
                    valid.send_replace(until);
                }
                None => *written = Written::default(),
            }
        }
        if written.lease.is_none() {
            let renewed = Instant::now();
            let (id, until) = self.client.grant(self.lease).await?;
            *written = Written { lease: Some(Lease { id, renewed }), ..Written::default() };
            valid.send_replace(until);
        }
        if written.at.is_none() {
            let key = self.keys.replica(&self.id);
            let end = [&*key, &[0]].concat();
            let there = self.client.range((&key, &end)).await?;
            written.at = Some(there.kvs.first().map_or(0, |kv| kv.mod_revision));
        }
        Ok(())
    }

    /// Writes the record if it is another one, and nobody has written it meanwhile.
    async fn write(&self, written: &mut Written, record: &Record) -> Result<(), String> {
        let (Some(lease), Some(at)) = (&written.lease, written.at) else { return Ok(()) };
        if !written.differs(record) {
            return Ok(());
        }
        let key = self.keys.replica(&self.id);
        let compare = Compare {
            result: Compare::EQUAL,
            target: Compare::MOD,
            key: key.clone(),
            mod_revision: Some(at),
            range_end: Vec::new(),
        };
        let put = PutRequest { key, value: record.to_text().into_bytes(), lease: lease.id };
        let success = vec![RequestOp { request: Some(Op::Put(put)) }];
        // Until it is answered, it is not known what is there.
        written.at = None;
        written.record = None;
        match self.client.transact(TxnRequest { compare: vec![compare], success }).await {
            Ok(Some(revision)) => {
                (written.at, written.record) = (Some(revision), Some(record.clone()));
                written.last = Some(Instant::now());
                Ok(())
            }
            // It expired with an earlier lease, or an earlier call was carried out after all. If it
            // happens again and again, two replicas have one name.
            Ok(None) => Err(format!("the record of {}: another process has written it", self.id)),
            Err(why) => {
                if why.contains("lease not found") {
                    *written = Written::default();
                }
                Err(why)
            }
        }
    }
}

/// All records, by one read.
pub(super) async fn read(client: &Client, keys: &Keys) -> Result<Vec<Record>, String> {
    let (begin, end) = keys.replicas();
    let mut records = Vec::new();
    for kv in client.range((&begin, &end)).await?.kvs {
        let record = Record::parse(&kv.value).map_err(|why| {
            let key = String::from_utf8_lossy(&kv.key);
            format!("key {key:?}, revision {}: {why}", kv.mod_revision)
        })?;
        records.push(record);
    }
    Ok(records)
}
