//! What the server holds, what each client has, and whether the two agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushlane::adapters::xds::{Ads, Draining, Resource, TypeUrl};

const SERVICES: usize = 200;
const CLUSTERS: usize = 20;

/// Name to version, by type.
type Versions = BTreeMap<(&'static str, String), u64>;

/// A client's stream, as its latest life has it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// What it subscribes to: all clusters, and the endpoints of these services.
    pub(crate) services: BTreeSet<String>,
    pub(crate) have: Versions,
    /// What it has rejected, and keeps an older version of.
    pub(crate) rejected: BTreeSet<(&'static str, String, u64)>,
}

#[derive(Debug)]
pub(crate) struct World {
    versions: Mutex<Versions>,
    random: Mutex<Random>,
    clients: Mutex<BTreeMap<usize, Arc<Mutex<Held>>>>,
    /// The clients that have been right since nothing changes any more.
    right: Mutex<BTreeSet<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(ads: &Ads) -> Result<Self, Draining> {
        let services = (0..SERVICES).map(|each| ((TypeUrl::ENDPOINTS, service(each)), 1));
        let clusters = (0..CLUSTERS).map(|each| ((TypeUrl::CLUSTER, service(each)), 1));
        let versions: Versions = services.chain(clusters).collect();
        ads.set(
            "default",
            versions.iter().map(|((of, name), version)| resource(of, name, *version)),
        )?;
        Ok(World {
            versions: Mutex::new(versions),
            random: Mutex::new(Random::new(1)),
            clients: Mutex::default(),
            right: Mutex::default(),
        })
    }

    /// One change: most often new endpoints, sometimes a cluster that changes, goes or comes back.
    pub(crate) fn change(&self, ads: &Ads) -> Result<(), Draining> {
        let mut random = lock(&self.random);
        let mut versions = lock(&self.versions);
        let cluster = random.below(10) == 0;
        let number = random.below(if cluster { CLUSTERS } else { SERVICES });
        let of = if cluster { TypeUrl::CLUSTER } else { TypeUrl::ENDPOINTS };
        let key = (of, service(number));
        let version = random.next() | 1;
        if cluster && random.below(3) == 0 && versions.remove(&key).is_some() {
            return ads.update("default", |edit| edit.remove(of, key.1)).map(drop);
        }
        let made = resource(of, &key.1, version);
        versions.insert(key, version);
        ads.update("default", |edit| edit.put(made)).map(drop)
    }

    /// A new life of a client.
    pub(crate) fn client(&self, number: usize, services: BTreeSet<String>) -> Arc<Mutex<Held>> {
        let held = Arc::new(Mutex::new(Held { services, ..Held::default() }));
        lock(&self.clients).insert(number, Arc::clone(&held));
        held
    }

    /// How many of so many clients have not had what they should have since nothing changes any
    /// more. Connections still age and clients come back, so not all are right at the same moment.
    pub(crate) fn wrong(&self, clients: usize) -> usize {
        let versions = lock(&self.versions);
        let mut right = lock(&self.right);
        for (number, held) in &*lock(&self.clients) {
            if !right.contains(number) && is_right(&versions, &lock(held)) {
                right.insert(*number);
            }
        }
        clients - right.len()
    }
}

fn is_right(versions: &Versions, held: &Held) -> bool {
    let wanted =
        |(of, name): &(&str, String)| *of == TypeUrl::CLUSTER || held.services.contains(name);
    let newest = versions.iter().filter(|(key, _)| wanted(key)).all(|((of, name), version)| {
        held.have.get(&(*of, name.clone())) == Some(version)
            || held.rejected.contains(&(*of, name.clone(), *version))
    });
    newest && held.have.keys().all(|key| versions.contains_key(key))
}

pub(crate) fn service(number: usize) -> String {
    format!("service-{number}")
}

/// So many services, of all that there are.
pub(crate) fn some_services(random: &mut Random) -> BTreeSet<String> {
    (0..=random.below(5)).map(|_| service(random.below(SERVICES))).collect()
}

/// The version stands at the end of the body: a cluster has it in a field that is not read.
fn resource(of: &'static str, name: &str, version: u64) -> Resource {
    let field = |tag: u8, text: &str| [&[tag, text.len() as u8], text.as_bytes()].concat();
    let mut body = field(0x0a, name);
    if of == TypeUrl::CLUSTER {
        let eds = field(0x12, name);
        body.extend([0x1a, eds.len() as u8]);
        body.extend(eds);
        // `alt_stat_name`
        body.extend([0xe2, 0x01, 8]);
    }
    body.extend(version.to_be_bytes());
    Resource::new(of, name, version.to_string(), body)
}

/// Name and version of a body that `resource` has made.
pub(crate) fn read(body: &[u8]) -> Option<(String, u64)> {
    let (rest, version) = body.split_last_chunk::<8>()?;
    let length = usize::from(*rest.get(1)?);
    let name = String::from_utf8(rest.get(2..2 + length)?.to_vec()).ok()?;
    Some((name, u64::from_be_bytes(*version)))
}

/// Xorshift: a fixed sequence for each seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit
    }
}
