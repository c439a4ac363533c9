//! etcd behind mutual TLS, and one that asks for users.

use crate::fleet::free;
use crate::processes::{Process, control_plane};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_prost::ProstCodec;

const LONG: Duration = Duration::from_secs(60);

struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    /// An authority, its certificate in `NAME.pem`.
    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        Issuer::new(params, key)
    }

    /// A certificate for loopback, in `NAME.pem`, and its key in `NAME.key`.
    fn certificate(&self, name: &str, from: &Issuer<'_, KeyPair>) {
        let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{name}.pem"), &params.signed_by(&key, from).unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn etcd(files: &Files, [clients, peers]: [u16; 2]) -> Process {
    let (clients, peers) =
        (format!("https://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let cluster = format!("test={peers}");
    let flags = [
        ("--name", "test".into()),
        ("--data-dir", files.path("etcd")),
        ("--listen-client-urls", clients.clone()),
        ("--advertise-client-urls", clients),
        ("--listen-peer-urls", peers.clone()),
        ("--initial-advertise-peer-urls", peers),
        ("--initial-cluster", cluster),
        ("--cert-file", files.path("server.pem")),
        ("--key-file", files.path("server.key")),
        ("--trusted-ca-file", files.path("ca.pem")),
    ];
    let flags = flags.into_iter().flat_map(|(flag, it)| [flag.to_owned(), it]);
    let flags: Vec<_> = flags.chain(["--client-cert-auth".into()]).collect();
    Process::start("etcd", &flags, Path::new(&files.path("etcd.log")))
}

/// etcd behind TLS, and what is needed to reach it.
struct Secured {
    files: Files,
    ports: [u16; 2],
    url: String,
    etcd: Process,
    state: String,
}

impl Secured {
    fn start(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pushlane-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let files = Files(dir);
        let ours = files.authority("ca");
        files.certificate("server", &ours);
        files.certificate("client", &ours);
        let cluster =
            r#"{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"a"}"#;
        let state = files.write("state.json", &format!("{{\"resources\":[{cluster}]}}"));
        let ports = [free(), free()];
        let (etcd, url) = (etcd(&files, ports), format!("https://127.0.0.1:{}", ports[0]));
        Self { files, ports, url, etcd, state }
    }

    fn flags(&self, ca: &str, client: &str) -> Vec<String> {
        let mut flags = vec!["--etcd".to_owned(), self.url.clone(), "--etcd-ca".into()];
        flags.push(self.files.path(&format!("{ca}.pem")));
        if !client.is_empty() {
            let (cert, key) = (format!("{client}.pem"), format!("{client}.key"));
            flags.extend(["--etcd-cert".into(), self.files.path(&cert)]);
            flags.extend(["--etcd-key".into(), self.files.path(&key)]);
        }
        flags
    }

    fn put(&self, flags: &[String]) -> Output {
        let mut all = vec!["put", &self.state];
        all.extend(flags.iter().map(String::as_str));
        control_plane(&all)
    }

    /// Tries until etcd is there.
    fn must_put(&self, flags: &[String]) {
        let end = Instant::now() + LONG;
        loop {
            let output = self.put(flags);
            if output.status.success() {
                return;
            }
            assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// It fails, and says so in one line, with the endpoint.
    fn fails(&self, flags: &[String], part: &str) {
        let output = self.put(flags);
        let told = String::from_utf8(output.stderr).unwrap();
        println!("{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
        let begin = format!("etcd {}: ", self.url);
        assert!(told.lines().count() == 1 && told.starts_with(&begin), "{told}");
        assert!(told.to_lowercase().contains(part), "{told}");
    }

    fn replica(&self, flags: &[String]) -> Process {
        let serve = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--for", "120"];
        let serve = flags.iter().cloned().chain(serve.map(String::from));
        let (log, program) = (self.files.path("replica.log"), env!("CARGO_BIN_EXE_control-plane"));
        Process::start(program, &serve.collect::<Vec<_>>(), Path::new(&log))
    }
}

fn until(replica: &Process, lines: &[&str]) {
    let end = Instant::now() + LONG;
    while !lines.iter().all(|it| replica.log().contains(it)) {
        assert!(Instant::now() < end, "{}", replica.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

const SERVES: [&str; 2] = ["clients are admitted", "1 resources changed"];

#[test]
fn etcd_is_reached_with_certificates_and_a_wrong_one_is_one_line() {
    let mut secured = Secured::start("fleet-tls");
    let other = secured.files.authority("other");
    secured.files.certificate("stranger", &other);
    let right = secured.flags("ca", "client");
    secured.must_put(&right);
    for (ca, client) in [("other", "client"), ("ca", "stranger"), ("ca", "")] {
        secured.fails(&secured.flags(ca, client), "certificate");
    }
    let mut missing = right.clone();
    missing[3] = secured.files.path("nothing.pem");
    let told = String::from_utf8(secured.put(&missing).stderr).unwrap();
    assert!(told.lines().count() == 1 && told.contains("nothing.pem"), "{told}");

    // A replica reads, watches and keeps its lease in the same way, also after all certificates
    // have been replaced.
    let replica = secured.replica(&right);
    until(&replica, &SERVES);
    secured.etcd.kill();
    let newer = secured.files.authority("ca");
    secured.files.certificate("server", &newer);
    secured.files.certificate("client", &newer);
    secured.etcd = etcd(&secured.files, secured.ports);
    secured.must_put(&right);
    until(&replica, &["the files of secrets have changed", "0 resources changed"]);
}

#[tokio::test]
async fn a_user_logs_in_with_a_password_and_again_with_another_when_etcd_has_forgotten_it() {
    let mut secured = Secured::start("fleet-users");
    let certificate = secured.flags("ca", "client");
    secured.must_put(&certificate);
    secured.ask_for_users().await;
    let login = |password: &str| {
        let file = secured.files.write(password, &format!("{password}\n"));
        let more = ["--etcd-user".into(), "root".into(), "--etcd-password".into(), file];
        [&certificate[..], &more].concat()
    };
    secured.fails(&certificate, "permission denied");
    secured.fails(&login("wrong"), "invalid user id or password");
    let right = login("right");
    secured.must_put(&right);
    let replica = secured.replica(&right);
    until(&replica, &SERVES);
    secured.change_password("changed").await;
    secured.files.write("right", "changed");
    // When etcd starts it knows only tokens of the last moment, which are not on its disk yet.
    tokio::time::sleep(Duration::from_millis(500)).await;
    secured.etcd.kill();
    secured.etcd = etcd(&secured.files, secured.ports);
    secured.must_put(&right);
    until(&replica, &["0 resources changed"]);
}

impl Secured {
    async fn connect(&self) -> Grpc<Channel> {
        let read = |name| std::fs::read(self.files.path(name)).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("ca.pem")))
            .identity(Identity::from_pem(read("client.pem"), read("client.key")));
        let endpoint = Endpoint::from_shared(self.url.clone()).unwrap().tls_config(tls).unwrap();
        Grpc::new(endpoint.connect().await.unwrap())
    }

    /// Makes a user and has etcd refuse all that has none.
    async fn ask_for_users(&self) {
        let mut grpc = self.connect().await;
        for (method, names) in [
            ("UserAdd", ["root", "right"]),
            ("UserGrantRole", ["root", "root"]),
            ("AuthEnable", [""; 2]),
        ] {
            call(&mut grpc, method, names, None).await;
        }
    }

    async fn change_password(&self, to: &str) {
        let mut grpc = self.connect().await;
        let token = call(&mut grpc, "Authenticate", ["root", "right"], None).await;
        call(&mut grpc, "UserChangePassword", ["root", to], Some(token)).await;
    }
}

async fn call(
    grpc: &mut Grpc<Channel>,
    method: &str,
    names: [&str; 2],
    token: Option<String>,
) -> String {
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/etcdserverpb.Auth/{method}")).unwrap();
    let [first, second] = names.map(String::from);
    let mut request = tonic::Request::new(Names { first, second });
    if let Some(token) = token {
        request.metadata_mut().insert("token", token.parse().unwrap());
    }
    let codec = ProstCodec::<Names, Token>::default();
    grpc.unary(request, path, codec).await.unwrap().into_inner().token
}

/// What these calls take.
#[derive(Clone, PartialEq, Message)]
struct Names {
    #[prost(string, tag = "1")]
    first: String,
    #[prost(string, tag = "2")]
    second: String,
}

/// What one of them answers.
#[derive(Clone, PartialEq, Message)]
struct Token {
    #[prost(string, tag = "2")]
    token: String,
}
