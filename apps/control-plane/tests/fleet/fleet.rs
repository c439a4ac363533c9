//! etcd, three replicas, 300 clients, and the oracle that reads what all clients have.

use crate::client::{Client, TYPES};
use crate::processes::{Process, control_plane};
use crate::proxy::Proxy;
use crate::skew::Skew;
use prost::Message;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

const CLIENTS: usize = 300;
const REPLICAS: usize = 3;
/// Far beyond what anything takes: it ends a test that hangs, and judges nothing.
const LONG: Duration = Duration::from_secs(180);
/// By how many seconds the clocks of the replicas are wrong.
const SKEW: [i64; REPLICAS] = [3_600, -86_400, 0];
/// What a replica takes at most in kB, whatever has happened to it.
const MOST: u64 = 35_000;
/// Replicas that are cut off for so long lose their clients.
const LEASE: &str = "6";

pub(crate) struct Fleet {
    dir: PathBuf,
    skew: Skew,
    pub(crate) etcd: Process,
    etcd_ports: [u16; 2],
    /// Between etcd and the last replica.
    pub(crate) proxy: Proxy,
    replicas: Vec<Option<Process>>,
    ports: Vec<[u16; 2]>,
    clients: Vec<Arc<Client>>,
    begin: Instant,
    /// The revision of each state that was put, beginning with the first.
    revisions: Vec<u64>,
}

pub(crate) fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The state by its number: of each type names and numbers. Each changes one cluster and one
/// listener, and some remove and bring back others.
fn state(number: usize) -> [BTreeMap<String, String>; 2] {
    let part = |prefix: &str, count: usize| {
        let mut part = BTreeMap::new();
        for index in 0..count {
            let back = (number + count - index % count) % count;
            let newest = number.saturating_sub(back);
            if index == number % count || !(number / count + index).is_multiple_of(7) {
                part.insert(format!("{prefix}{index}"), format!("v{newest}"));
            }
        }
        part
    };
    [part("c", 10), part("l", 5)]
}

/// With more flags, each with its value.
pub(crate) fn start_etcd(dir: &std::path::Path, ports: [u16; 2], more: &[(&str, &str)]) -> Process {
    let [clients, peers] = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let cluster = format!("test={peers}");
    let data = dir.join("etcd").display().to_string();
    let flags = [
        ("--name", "test"),
        ("--data-dir", &data),
        ("--listen-client-urls", &clients),
        ("--advertise-client-urls", &clients),
        ("--listen-peer-urls", &peers),
        ("--initial-advertise-peer-urls", &peers),
        ("--initial-cluster", &cluster),
    ];
    let flags: Vec<String> =
        flags.iter().chain(more).flat_map(|(flag, it)| [*flag, *it]).map(String::from).collect();
    Process::start("etcd", &flags, &dir.join("etcd.log"))
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("pushlane-fleet-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let etcd_ports = [free(), free()];
        let etcd = start_etcd(&dir, etcd_ports, &[]);
        let proxy = Proxy::start(format!("127.0.0.1:{}", etcd_ports[0])).await;
        let ports: Vec<_> = (0..REPLICAS).map(|_| [free(), free()]).collect();
        let mut fleet = Self {
            skew: Skew::new(&dir),
            dir,
            etcd,
            etcd_ports,
            proxy,
            replicas: (0..REPLICAS).map(|_| None).collect(),
            clients: Vec::new(),
            begin: Instant::now(),
            revisions: Vec::new(),
            ports,
        };
        for at in 0..REPLICAS {
            fleet.restart(at).await;
        }
        let addresses: Vec<_> =
            fleet.ports.iter().map(|[port, _]| format!("127.0.0.1:{port}")).collect();
        for index in 0..CLIENTS {
            let client = Arc::new(Client { index, ..Client::default() });
            let random = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            tokio::spawn(Arc::clone(&client).run(addresses.clone(), random));
            fleet.clients.push(client);
        }
        fleet
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_ports[0])
    }

    pub(crate) fn replica(&self, at: usize) -> &Process {
        self.replicas[at].as_ref().unwrap()
    }

    pub(crate) fn kill(&mut self, at: usize) {
        self.replicas[at] = None;
    }

    /// Starts a replica, and waits until it admits clients.
    pub(crate) async fn restart(&mut self, at: usize) {
        let etcd = if at == REPLICAS - 1 {
            format!("http://{}", self.proxy.address)
        } else {
            self.etcd_url()
        };
        let [listen, admin] = self.ports[at].map(|port| format!("127.0.0.1:{port}"));
        let name = format!("replica-{at}");
        let flags = [
            ("--etcd", etcd.as_str()),
            ("--replica", &name),
            ("--listen", &listen),
            ("--admin", &admin),
            ("--lease", LEASE),
            ("--streams", "500"),
            ("--shed-rate", "20"),
            ("--for", "600"),
        ];
        let flags: Vec<String> =
            flags.iter().flat_map(|(flag, it)| [*flag, *it]).map(String::from).collect();
        let log = self.dir.join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log);
        let program = env!("CARGO_BIN_EXE_control-plane");
        // What is freed goes back to one place, so that memory can be compared.
        let arena = ("MALLOC_ARENA_MAX".to_owned(), "1".to_owned());
        let environment = self.skew.by(SKEW[at]).into_iter().chain([arena]);
        self.replicas[at] = Some(Process::start_with(program, &flags, &log, environment));
        self.line(at, "clients are admitted").await;
    }

    pub(crate) async fn restart_etcd(&mut self) {
        self.etcd.kill();
        self.etcd = start_etcd(&self.dir, self.etcd_ports, &[]);
    }

    /// Waits until a replica has said this.
    pub(crate) async fn line(&self, at: usize, part: &str) {
        let end = Instant::now() + LONG;
        while !self.replicas[at].as_ref().unwrap().log().contains(part) {
            assert!(
                Instant::now() < end,
                "no {part:?}: {}",
                self.replicas[at].as_ref().unwrap().log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes the next state, and returns its number.
    pub(crate) fn put(&mut self) -> usize {
        let number = self.revisions.len();
        let kinds = ["altStatName", "statPrefix"];
        let mut resources = Vec::new();
        for ((part, kind), field) in state(number).iter().zip(TYPES).zip(kinds) {
            for (name, number) in part {
                resources.push(format!(
                    "{{\"@type\":\"{kind}\",\"name\":\"{name}\",\"{field}\":\"{number}\"}}"
                ));
            }
        }
        let file = self.dir.join("state.json");
        std::fs::write(&file, format!("{{\"resources\":[{}]}}", resources.join(","))).unwrap();
        let (end, file) = (Instant::now() + LONG, file.display().to_string());
        loop {
            let output = control_plane(&["put", &file, "--etcd", &self.etcd_url()]);
            if output.status.success() {
                let revision = String::from_utf8(output.stdout).unwrap();
                self.revisions.push(revision.trim().parse().unwrap());
                return number;
            }
            assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// What `wait` says if the fleet hasn't got the state in time.
    pub(crate) fn wait(&self, number: usize, seconds: u64) -> Result<(), String> {
        let (revision, timeout) = (self.revisions[number].to_string(), format!("{seconds}s"));
        let flags = ["wait", "--revision", &revision, "--timeout", &timeout];
        let output = control_plane(&[&flags[..], &["--etcd", &self.etcd_url()]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    pub(crate) async fn put_and_check(&mut self, what: &str) {
        let number = self.put();
        self.check(number, what).await;
    }

    /// Waits for the state, and then asks every client whether it has it.
    pub(crate) async fn check(&self, number: usize, what: &str) {
        let begin = Instant::now();
        self.wait(number, LONG.as_secs()).unwrap_or_else(|why| panic!("{what}: {why}"));
        let newest = self.revisions.len();
        let states: Vec<_> = (number..newest).map(state).collect();
        let mut early = Vec::new();
        for client in &self.clients {
            let held = client.held.lock().unwrap();
            for (kind, held) in held.iter().enumerate() {
                let numbers = held.resources.iter().map(|(name, (number, _))| (name, number));
                if !states.iter().any(|state| numbers.clone().eq(state[kind].iter())) {
                    early.push(format!("client-{}: {held:?}", client.index));
                }
            }
            let wrong = client.wrong.lock().unwrap();
            assert!(wrong.is_empty(), "{what}: {wrong:?}");
        }
        assert!(
            early.is_empty(),
            "{what}: {} of state {number}, first {}\nexpected {:?}",
            early.len(),
            early[0],
            state(number)
        );
        let (revision, at) = (self.revisions[number], self.begin.elapsed());
        let memory = self.memory();
        println!(
            "{at:4.0?} {what}: revision {revision} after {:.1?}; memory {memory:?} kB",
            begin.elapsed()
        );
        assert!(memory.iter().all(|memory| *memory < MOST), "{what}: {memory:?} kB");
    }

    pub(crate) fn hold(&self, hold: bool) {
        self.clients[0].hold.store(hold, SeqCst);
    }

    /// Sets how many streams a replica admits, or that there is no limit.
    pub(crate) fn limit(&self, at: usize, streams: &str) {
        let (name, etcd) = (format!("replica-{at}"), self.etcd_url());
        let output = control_plane(&["limit", streams, "--replica", &name, "--etcd", &etcd]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until all clients are there, and no replica has more than its share, or as many as
    /// `most` allows.
    pub(crate) async fn spread(&self, most: [usize; REPLICAS]) {
        let end = Instant::now() + LONG;
        loop {
            let output = control_plane(&["status", "--etcd", &self.etcd_url()]);
            let status = String::from_utf8(output.stdout).unwrap();
            let counts: Vec<usize> = status
                .lines()
                .filter_map(|line| line.split_once(" of ")?.0.rsplit(' ').next()?.parse().ok())
                .collect();
            let all = counts.iter().sum::<usize>();
            let within = counts.iter().zip(most).all(|(count, most)| *count <= most);
            if counts.len() == REPLICAS && all == CLIENTS && within {
                println!("{:4.0?} clients of the replicas: {counts:?}", self.begin.elapsed());
                return;
            }
            assert!(Instant::now() < end, "{status}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) async fn connected(&self) {
        self.spread([CLIENTS; REPLICAS]).await;
    }

    /// Waits until no replica has more than its share.
    pub(crate) async fn balanced(&self) {
        self.spread([(CLIENTS * 110).div_ceil(100 * REPLICAS); REPLICAS]).await;
    }

    /// Every client ends its stream and comes back, so many times; returns the memory afterwards.
    pub(crate) async fn come_again(&self, times: usize) -> Vec<u64> {
        for _ in 0..times {
            let streams = |client: &Arc<Client>| client.streams.load(SeqCst);
            let before: Vec<_> = self.clients.iter().map(streams).collect();
            self.clients.iter().for_each(|client| client.again.notify_one());
            let end = Instant::now() + LONG;
            while self
                .clients
                .iter()
                .zip(&before)
                .any(|(client, before)| streams(client) == *before)
            {
                assert!(Instant::now() < end, "not all have come back");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.memory()
    }

    fn memory(&self) -> Vec<u64> {
        self.replicas.iter().flatten().filter_map(Process::memory).collect()
    }

    /// Has etcd forget all but the newest revision.
    pub(crate) async fn compact(&self) {
        let channel = Endpoint::from_shared(self.etcd_url()).unwrap().connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Compact");
        let revision = *self.revisions.last().unwrap() as i64;
        let request = tonic::Request::new(Compaction { revision });
        let codec = ProstCodec::<Compaction, Nothing>::default();
        grpc.unary(request, path, codec).await.unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in self.replicas.iter().flatten() {
                let log = replica.log();
                let tail: Vec<_> = log.lines().rev().take(15).collect();
                eprintln!("{}\n", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
        self.replicas.clear();
        self.etcd.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Of the answer nothing is read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
struct Compaction {
    #[prost(int64, tag = "1")]
    revision: i64,
}
