//! Keeps this replica's record in etcd, under its lease, and its number of clients near its share.

use super::convergence::{Convergence, Step};
use super::gate::Gate;
use super::record::Record;
use super::share::{Pace, Place, Shed, shed};
use crate::etcd::client::Client;
use crate::etcd::keys::Keys;
use crate::etcd::proto::{Compare, Op, PutRequest, RequestOp, TxnRequest};
use pushlane::adapters::xds::{Ads, ClientStatus, StreamId};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Between two looks at the clients.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at the other records, and two writes of a record in which only numbers of
/// clients have changed: they change all the time.
const OTHERS: Duration = Duration::from_secs(1);
/// What looking at the clients may take: this part of a core. With many clients of which some come
/// and go, a look takes long.
const PART: u32 = 4;
/// Records that all replicas together write in a second, at most: an eighth of what an etcd bears
/// that shares two cores.
const WRITES: u32 = 500;
/// Records that a replica reads in a second, at most. So all that is read grows with the number of
/// replicas, not with its square.
const READS: u32 = 100;

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
    /// Streams that are ended in a second, at least and at most.
    pub(super) shed_rates: (u32, u32),
    /// What of the state can't be served.
    pub(super) fault: Arc<Mutex<Option<String>>>,
}

#[derive(Debug)]
struct Lease {
    id: i64,
    renewed: Instant,
    /// Until when it is valid at least.
    until: Instant,
    /// A record has been written under it: clients are counted.
    counted: bool,
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
    /// Whether the record is to be written, in a fleet of so many replicas. What others wait for
    /// is written at once if nothing has been written lately.
    fn is_due(&self, record: &Record, replicas: u32, now: Instant) -> bool {
        let Some(written) = &self.record else { return true };
        let since = self.last.map_or(Duration::MAX, |last| now.duration_since(last));
        let same_clients = Record { clients: written.clients, ..record.clone() };
        let pause = if *written == same_clients { OTHERS } else { Duration::ZERO };
        let pause = pause.max(Duration::from_secs(1) * replicas / WRITES);
        record.takes_back(written) || (since >= pause && written != record)
    }
}

/// What the records of all replicas say.
#[derive(Debug, Default)]
struct Fleet {
    replicas: u32,
    clients: u64,
    /// Those that admit clients. The others will soon have none.
    places: Vec<Place>,
    read: Option<Instant>,
}

impl Fleet {
    fn new(records: &[Record], now: Instant) -> Self {
        let place = |it: &Record| Place { clients: it.clients, limit: it.stream_limit };
        Self {
            replicas: records.len() as u32,
            clients: records.iter().map(|it| it.clients).sum(),
            places: records.iter().map(place).filter(|it| it.limit > 0).collect(),
            read: Some(now),
        }
    }

    /// Whether the records are to be read again.
    fn is_old(&self, now: Instant) -> bool {
        let pause = OTHERS.max(Duration::from_secs(1) * self.replicas / READS);
        self.read.is_none_or(|read| now.duration_since(read) >= pause)
    }
}

/// The same trouble is told once, until all is well or something else happens.
#[derive(Debug, Default)]
struct Trouble(String);

impl Trouble {
    fn tell(&mut self, done: Result<(), String>, tell: &impl Fn(&str)) {
        let why = done.err().unwrap_or_default();
        if !why.is_empty() && why != self.0 {
            tell(&why);
        }
        self.0 = why;
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
        let (mut written, mut fleet) = (Written::default(), Fleet::default());
        let (mut pace, mut going) = (Pace::new(Instant::now()), Going::default());
        let (mut of_record, mut of_others) = (Trouble::default(), Trouble::default());
        let (mut took, mut retry) = (Duration::ZERO, LOOK);
        loop {
            // Short leases are kept too.
            let most = OTHERS.min(self.lease / 10);
            let pause = (took * (PART - 1)).min(most).max(retry);
            let ending = tokio::select! {
                () = tokio::time::sleep(pause) => None,
                gone = &mut end => Some(gone.unwrap_or(0)),
            };
            while let Ok(step) = steps.try_recv() {
                convergence.published(step);
            }
            let mut done = self.renew(&mut written, &valid).await;
            let begin = Instant::now();
            let mut record = self.record(&mut convergence).await;
            took = begin.elapsed();
            if let Some(gone) = ending {
                // They are on their way to other replicas.
                record.joining = record.joining.max(gone);
            }
            let is_due = written.is_due(&record, fleet.replicas, Instant::now());
            if done.is_ok() && (is_due || ending.is_some()) {
                done = self.write(&mut written, &record, &valid).await;
            }
            if done.is_ok() && fleet.is_old(Instant::now()) {
                let looked = self.look_at_others(&mut written, &mut fleet, &tell).await;
                of_others.tell(looked, &tell);
            }
            // A retry must not cost the lease.
            retry = if done.is_ok() { LOOK } else { (retry * 2).min(OTHERS).min(self.lease / 10) };
            of_record.tell(done, &tell);
            if ending.is_some() {
                return;
            }
            let limit = self.gate.wanted().map(|limit| limit as u64);
            let (clients, places, rates) = (fleet.clients, &fleet.places, self.shed_rates);
            let of = |limit| shed((record.clients, limit), clients, places, rates);
            let count = pace.take(limit.map_or(Shed::default(), of), Instant::now());
            for stream in going.next(&self.ads, count, Instant::now()) {
                self.ads.disconnect(stream);
            }
        }
    }

    async fn look_at_others(
        &self,
        written: &mut Written,
        fleet: &mut Fleet,
        tell: &impl Fn(&str),
    ) -> Result<(), String> {
        let begin = Instant::now();
        fleet.read = Some(begin);
        let records = read(&self.client, &self.keys).await.map(|(records, revision)| {
            self.ads.store_is_at(begin, revision);
            // Removed by somebody, it is written again.
            if !records.iter().any(|it| it.id == self.id && it.address == self.address) {
                (written.at, written.record) = (None, None);
            }
            *fleet = Fleet::new(&records, Instant::now());
        });
        self.look_at_limit(tell).await.and(records)
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
        let seen = convergence.look(Instant::now()).await;
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

    /// Makes sure that there is a lease.
    async fn renew(
        &self,
        written: &mut Written,
        valid: &watch::Sender<Instant>,
    ) -> Result<(), String> {
        if let Some(lease) = &mut written.lease
            && lease.renewed.elapsed() >= self.lease / 6
        {
            let begin = Instant::now();
            match self.client.keep_alive(lease.id).await? {
                Some(until) => {
                    (lease.renewed, lease.until) = (begin, until);
                    if lease.counted {
                        valid.send_replace(until);
                    }
                }
                None => *written = Written::default(),
            }
        }
        if written.lease.is_none() {
            let renewed = Instant::now();
            let (id, until) = self.client.grant(self.lease).await?;
            let lease = Lease { id, renewed, until, counted: false };
            *written = Written { lease: Some(lease), ..Written::default() };
        }
        Ok(())
    }

    /// Writes the record, unless it is not the one that is known. The first one makes the lease
    /// valid: a replica without a record must not have clients.
    async fn write(
        &self,
        written: &mut Written,
        record: &Record,
        valid: &watch::Sender<Instant>,
    ) -> Result<(), String> {
        let Some(lease) = &mut written.lease else { return Ok(()) };
        let key = self.keys.replica(&self.id, lease.id);
        let at = match written.at {
            Some(at) => at,
            None => {
                let there = self.client.range((&key, &[&*key, &[0]].concat())).await?;
                // etcd may have been restored since the record was made.
                record.fits(there.revision)?;
                there.kvs.first().map_or(0, |kv| kv.mod_revision)
            }
        };
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
                if !std::mem::replace(&mut lease.counted, true) {
                    valid.send_replace(lease.until);
                }
                Ok(())
            }
            // An earlier call was carried out after all, or etcd was restored.
            Ok(None) => Err(format!("the record of {}: it is not what was written", self.id)),
            Err(why) => {
                if why.contains("lease not found") {
                    *written = Written::default();
                }
                Err(why)
            }
        }
    }
}

/// All records, by one read, and etcd's revision.
pub(super) async fn read(client: &Client, keys: &Keys) -> Result<(Vec<Record>, u64), String> {
    let (begin, end) = keys.replicas();
    let there = client.range((&begin, &end)).await?;
    let mut records = Vec::new();
    for kv in there.kvs {
        let record = Record::parse(&kv.value)
            .and_then(|record| record.fits(there.revision).map(|()| record));
        records.push(record.map_err(|why| {
            let key = String::from_utf8_lossy(&kv.key);
            format!("key {key:?}, revision {}: {why}", kv.mod_revision)
        })?);
    }
    Ok((records, u64::try_from(there.revision).unwrap_or(0)))
}

/// The streams that go next, in order. To look at all of them takes long if they are many: it is
/// done so seldom that it takes half of what looking for the record may.
#[derive(Debug, Default)]
pub(super) struct Going {
    /// The next one is the last.
    order: Vec<StreamId>,
    looked: Option<Instant>,
    took: Duration,
}

impl Going {
    pub(super) fn next(&mut self, ads: &Ads, count: u64, now: Instant) -> Vec<StreamId> {
        let count = count as usize;
        if count > 0 && (self.is_old(now) || self.order.len() < count) {
            let begin = Instant::now();
            (self.order, self.looked) = (last_to_first(&ads.clients()), Some(now));
            self.took = begin.elapsed();
        }
        self.order.split_off(self.order.len().saturating_sub(count))
    }

    fn is_old(&self, now: Instant) -> bool {
        let pause = OTHERS.max(self.took * PART * 2);
        self.looked.is_none_or(|looked| now.duration_since(looked) >= pause)
    }
}

/// First go those with nothing in flight, and of these the youngest.
fn last_to_first(clients: &[ClientStatus]) -> Vec<StreamId> {
    let busy = |client: &ClientStatus| client.types.iter().any(|of| of.outstanding.is_some());
    let mut order: Vec<_> =
        clients.iter().map(|client| (busy(client), client.age, client.stream)).collect();
    order.sort_unstable();
    order.into_iter().rev().map(|(_, _, stream)| stream).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wait_for_is_written_at_once_and_then_as_often_as_etcd_bears() {
        let now = Instant::now();
        let record = |revision| Record { clients: 5, revision, ..Record::default() };
        let mut written = Written::default();
        assert!(written.is_due(&record(7), 100, now), "nothing is there");
        (written.record, written.last) = (Some(record(7)), Some(now));
        let after = |ms| now + Duration::from_millis(ms);
        assert!(!written.is_due(&record(7), 100, after(5_000)), "the same");
        assert!(written.is_due(&record(8), 3, after(50)), "a small fleet");
        assert!(!written.is_due(&record(8), 100, after(50)));
        assert!(written.is_due(&record(8), 100, after(200)), "500 a second for 100 replicas");
        let clients = Record { clients: 6, ..record(7) };
        assert!(!written.is_due(&clients, 3, after(999)), "only a number of clients");
        assert!(written.is_due(&clients, 3, after(1_000)));
        assert!(!written.is_due(&clients, 1_000, after(1_000)), "500 a second for 1000 replicas");
        assert!(written.is_due(&Record { joining: 1, ..record(7) }, 100, now), "bad news");
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        let told = std::cell::RefCell::new(Vec::new());
        let mut trouble = Trouble::default();
        for why in ["a", "a", "b", "", "b"] {
            let done = if why.is_empty() { Ok(()) } else { Err(why.to_owned()) };
            trouble.tell(done, &|line| told.borrow_mut().push(line.to_owned()));
        }
        assert_eq!(*told.borrow(), ["a", "b", "b"]);
    }

    #[test]
    fn a_look_that_takes_long_is_taken_less_often() {
        let now = Instant::now();
        let old = |took, ms| {
            let took = Duration::from_millis(took);
            let going = Going { looked: Some(now), took, ..Going::default() };
            going.is_old(now + Duration::from_millis(ms))
        };
        assert!(Going::default().is_old(now) && !old(1, 999) && old(1, 1_000));
        assert!(!old(300, 2_399) && old(300, 2_400));
    }

    #[test]
    fn a_large_fleet_reads_its_records_less_often() {
        let now = Instant::now();
        let old = |count, ms| {
            Fleet::new(&vec![Record::default(); count], now).is_old(now + Duration::from_millis(ms))
        };
        assert!(Fleet::default().is_old(now) && !old(3, 999) && old(100, 1_000));
        assert!(!old(1_000, 9_999) && old(1_000, 10_000));
    }
}
