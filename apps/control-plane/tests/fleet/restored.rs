//! What must not make `wait` say yes too early, or leave a client with an old state: two processes
//! with one name, records that can't be written or are removed, and an etcd that begins again at
//! lower revisions.

use crate::client::Client;
use crate::commands::{Etcd, path};
use crate::fleet::{Nothing, free};
use crate::processes::Process;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

const LONG: Duration = Duration::from_secs(60);
/// All processes have it.
const NAME: &str = "one";

struct Replica {
    process: Process,
    address: String,
}

/// Waits until it admits clients.
async fn start(etcd: &Etcd, port: u16) -> Replica {
    let replica = begin(etcd, port);
    until("clients are admitted", || replica.process.log().contains("clients are admitted")).await;
    replica
}

fn begin(etcd: &Etcd, port: u16) -> Replica {
    let (address, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", free()));
    let log = etcd.dir.join(format!("{port}.log"));
    let _ = std::fs::remove_file(&log);
    let flags = [
        ("--etcd", etcd.url.as_str()),
        ("--replica", NAME),
        ("--listen", &address),
        ("--admin", &admin),
        ("--lease", "6"),
        ("--for", "120"),
    ];
    let flags: Vec<_> =
        flags.iter().flat_map(|(flag, it)| [*flag, *it].map(String::from)).collect();
    let process = Process::start(env!("CARGO_BIN_EXE_control-plane"), &flags, &log);
    Replica { process, address }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// State of the world, and delta.
fn connect(replica: &Replica) -> [Arc<Client>; 2] {
    [0, 1].map(|index| {
        let client = Arc::new(Client { index, ..Client::default() });
        tokio::spawn(Arc::clone(&client).run(vec![replica.address.clone()], 1));
        client
    })
}

/// The numbers of the clusters that the client has.
fn clusters(client: &Client) -> Vec<String> {
    let held = client.held.lock().unwrap();
    held[0].resources.values().map(|(number, _)| number.clone()).collect()
}

/// Puts one cluster with this number, and returns the revision.
fn put(etcd: &Etcd, number: &str) -> String {
    let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    let text = format!(r#"{{"@type":"{kind}","name":"c","altStatName":"{number}"}}"#);
    let file = etcd.dir.join("one.json");
    std::fs::write(&file, format!("{{\"resources\":[{text}]}}")).unwrap();
    let (code, revision, said) = etcd.run(&["put", path(&file)]);
    assert_eq!(code, Some(0), "{said}");
    revision.trim().to_owned()
}

fn wait(etcd: &Etcd, revision: &str, timeout: &str) -> Result<(), String> {
    let (code, _, said) = etcd.run(&["wait", "--revision", revision, "--timeout", timeout]);
    if code == Some(0) { Ok(()) } else { Err(said) }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_two_processes_with_one_name_are_counted() {
    let etcd = Etcd::start("names", &[]);
    let first = start(&etcd, free()).await;
    let clients = connect(&first);
    put(&etcd, "1");
    until("the first state", || clients.iter().all(|client| clusters(client) == ["1"])).await;
    clients[0].hold.store(true, SeqCst);
    let revision = put(&etcd, "2");
    let second = start(&etcd, free()).await;
    // Twice as long as a lease.
    let said = wait(&etcd, &revision, "12s").expect_err("a client has not answered");
    assert!(said.contains("client-0") && said.contains(&first.address), "{said}");
    assert!(!said.contains(&second.address), "{said}");
    clients[0].hold.store(false, SeqCst);
    wait(&etcd, &revision, "30s").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_begins_again_leaves_no_client_with_an_old_state() {
    for restarted in [false, true] {
        let mut etcd = Etcd::start("restored", &[]);
        let mut replica = start(&etcd, free()).await;
        let clients = connect(&replica);
        let has =
            |number: &str| clients.iter().all(|client| clusters(client) == [number.to_owned()]);
        for number in 1..40 {
            put(&etcd, &number.to_string());
        }
        until("the old state", || has("39")).await;
        etcd.wipe();
        if restarted {
            replica.process.kill();
            let port = replica.address.rsplit(':').next().unwrap().parse().unwrap();
            replica = start(&etcd, port).await;
        }
        let revision = put(&etcd, "new");
        wait(&etcd, &revision, "30s").unwrap();
        assert!(restarted || replica.process.log().contains("it was restored"));
        // What `wait` doesn't promise: clients that are away. They come back within a second.
        until("the new state", || has("new")).await;
        let revision = put(&etcd, "newer");
        wait(&etcd, &revision, "30s").unwrap();
        assert!(has("newer"), "restarted: {restarted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_record_cannot_be_written_has_no_clients() {
    let etcd = Etcd::start("small", &[("--max-request-bytes", "100")]);
    let replica = begin(&etcd, free());
    until("too large", || replica.process.log().contains("too large")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = replica.process.log();
    assert!(!log.contains("clients are admitted"), "{log}");
}

#[derive(Clone, PartialEq, Message)]
struct Deletion {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    end: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_removed_is_written_again() {
    let etcd = Etcd::start("removed", &[]);
    let _replica = start(&etcd, free()).await;
    until("a record", || etcd.run(&["status"]).1.contains("0 of 10000 clients")).await;
    // So that nothing else is to be written.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let channel = Endpoint::from_shared(etcd.url.clone()).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let (key, end) = ("/pushlane.replicas/".into(), "/pushlane.replicas0".into());
    let path = PathAndQuery::from_static("/etcdserverpb.KV/DeleteRange");
    let codec = ProstCodec::<Deletion, Nothing>::default();
    grpc.unary(tonic::Request::new(Deletion { key, end }), path, codec).await.unwrap();
    until("a record", || etcd.run(&["status"]).1.contains("1 replicas")).await;
}
