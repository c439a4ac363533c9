//! A replica: follows etcd, serves what is there, and keeps its record.

use super::FleetFlags;
use super::convergence::Step;
use super::fence;
use super::gate::Gate;
use super::member::Member;
use crate::etcd::client::Client;
use crate::etcd::flags::EtcdFlags;
use crate::etcd::follow::{Told, follow};
use crate::etcd::keys::Keys;
use crate::etcd::replay::Change;
use crate::source::Source;
use pushlane::adapters::xds::Ads;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Runs until it is ended.
#[derive(Debug)]
pub(crate) struct Replica {
    ads: Ads,
    gate: Arc<Gate>,
    end: oneshot::Sender<u64>,
    member: JoinHandle<()>,
    others: [JoinHandle<()>; 2],
}

/// How lines are printed.
pub(crate) type Print = fn(&str);

impl Replica {
    pub(crate) fn start(
        (etcd, fleet): (&EtcdFlags, &FleetFlags),
        ads: &Ads,
        source: Arc<Mutex<Source>>,
        listen: SocketAddr,
        (say, complain): (Print, Print),
    ) -> Result<Self, String> {
        let (client, keys) = (Client::new(etcd)?, Keys::new(&etcd.etcd_prefix));
        let address = fleet.advertise.clone().unwrap_or_else(|| listen.to_string());
        let id = fleet.replica.clone().unwrap_or_else(|| address.clone());
        let (steps, published) = mpsc::unbounded_channel();
        let fault = Arc::new(Mutex::new(None));
        // Without a lease no client is admitted.
        let gate = Arc::new(Gate::new(ads.clone()));
        // 0: no limit.
        let admissions = match ads.limits().admission_rate {
            0 => u32::MAX,
            rate => rate,
        };
        let member = Member {
            client: client.clone(),
            keys: keys.clone(),
            ads: ads.clone(),
            gate: Arc::clone(&gate),
            id,
            address,
            lease: fleet.lease,
            shed_rates: (fleet.shed_rate, admissions),
            fault: Arc::clone(&fault),
        };
        let (end, ended) = oneshot::channel();
        let (valid, is_valid) = watch::channel(Instant::now());
        let fence = fence::keep(ads.clone(), Arc::clone(&gate), fleet.lease, is_valid, complain);
        let broken = (0, Vec::new());
        let mut taker = Taker { ads: ads.clone(), source, steps, fault, broken, say, complain };
        let follower = follow(client, keys, move |told| taker.take(told));
        Ok(Self {
            ads: ads.clone(),
            gate,
            end,
            member: tokio::spawn(member.run(published, ended, valid, complain)),
            others: [tokio::spawn(fence), tokio::spawn(follower)],
        })
    }

    /// Admits no client any more. Its clients go one after another over the time of `drain`, so
    /// that they don't storm the other replicas; until then they are served and counted. Then the
    /// record is left to expire, for which it takes no longer than `most`.
    pub(crate) async fn end(self, most: Duration, drain: Duration) {
        self.gate.end();
        let begin = Instant::now();
        let clients = self.ads.clients();
        for (gone, client) in (1..).zip(&clients) {
            self.ads.disconnect(client.stream);
            if let Some(left) = due(gone, clients.len(), drain).checked_sub(begin.elapsed()) {
                tokio::time::sleep(left).await;
            }
        }
        let _ = self.end.send(clients.len() as u64);
        let _ = tokio::time::timeout(most, self.member).await;
        self.others.iter().for_each(JoinHandle::abort);
    }
}

/// When so many of all clients are to have gone.
fn due(gone: u32, all: usize, drain: Duration) -> Duration {
    drain.mul_f64(f64::from(gone) / all as f64)
}

/// Takes over what etcd says into what is served.
struct Taker {
    ads: Ads,
    source: Arc<Mutex<Source>>,
    steps: mpsc::UnboundedSender<Step>,
    fault: Arc<Mutex<Option<String>>>,
    /// How many values can't be served, and some of them.
    broken: (usize, Vec<String>),
    say: Print,
    complain: Print,
}

impl Taker {
    fn take(&mut self, told: Told) {
        match told {
            Told::Change(change, counts) => self.change(change, counts),
            Told::Trouble(line, is_news) => {
                if is_news {
                    (self.complain)(&line);
                }
                let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
                source.rejects += u64::from(is_news);
                source.fault_count = 1;
                source.faults = vec![line];
            }
            Told::Following => {
                let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
                (source.fault_count, source.faults) = self.broken.clone();
            }
        }
    }

    fn change(&mut self, change: Change, counts: BTreeMap<String, usize>) {
        let Change { revision, views, faults, broken, broken_count, broken_since, restored } =
            change;
        let (mut published, mut changed) = (Vec::new(), 0);
        if restored {
            (self.complain)(&format!(
                "etcd is at revision {revision} and has been later: it was restored; all streams end"
            ));
            // A view's revision only grows.
            for view in self.ads.views() {
                self.ads.remove_view(view);
            }
        }
        for (name, view) in views {
            if view.gone {
                self.ads.remove_view(name);
                continue;
            }
            let done = self.ads.update(name, |edit| {
                edit.at(view.at);
                view.puts.into_iter().for_each(|resource| edit.put(resource));
                view.removals.into_iter().for_each(|(type_url, name)| edit.remove(type_url, name));
            });
            // While the server drains, nothing is published any more.
            let Ok(done) = done else { return };
            changed += done.changed().count();
            published.push(done);
        }
        self.ads.reached(revision);
        if restored {
            // What a stream has been sent is of other revisions.
            for client in self.ads.clients() {
                self.ads.disconnect(client.stream);
            }
        }
        (self.say)(&format!("etcd: revision {revision}, {changed} resources changed"));
        faults.iter().for_each(|fault| (self.complain)(fault));
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.reads += 1;
        source.rejects += u64::from(!faults.is_empty());
        source.good = Some(("etcd", SystemTime::now()));
        source.counts = counts;
        if let Some(newest) = published.last().filter(|published| !published.is_empty()) {
            source.newest = Some(newest.clone());
        }
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        *fault = broken.first().map(|oldest| match broken_count {
            1 => oldest.clone(),
            some => format!("{oldest}; and {} more", some - 1),
        });
        drop(fault);
        self.broken = (broken_count, broken);
        (source.fault_count, source.faults) = self.broken.clone();
        drop(source);
        let at = Instant::now();
        let _ = self.steps.send(Step { revision, at, published, broken_since, restored });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn trouble_with_etcd_is_told_until_it_is_over() {
        let source = Arc::new(Mutex::new(Source::new(None)));
        let mut taker = Taker {
            ads: Ads::builder().start(),
            source: Arc::clone(&source),
            steps: mpsc::unbounded_channel().0,
            fault: Arc::default(),
            broken: (0, Vec::new()),
            say: |_| {},
            complain: |_| {},
        };
        let mut faults = |told| {
            taker.take(told);
            source.lock().unwrap().faults.clone()
        };
        let change = Change {
            broken: vec!["key".into()],
            broken_count: 1,
            broken_since: Some(7),
            ..Change::default()
        };
        assert_eq!(faults(Told::Change(change, BTreeMap::new())), ["key"]);
        assert_eq!(faults(Told::Trouble("etcd is away".into(), true)), ["etcd is away"]);
        assert_eq!(faults(Told::Following), ["key"]);
        assert_eq!(faults(Told::Trouble("etcd is away".into(), false)), ["etcd is away"]);
    }

    #[test]
    fn at_the_end_clients_go_evenly_over_the_time() {
        let times = (1..=4).map(|gone| due(gone, 4, Duration::from_secs(2)).as_millis());
        assert_eq!(times.collect::<Vec<_>>(), [500, 1_000, 1_500, 2_000]);
    }
}
