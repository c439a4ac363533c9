//! etcd behind mutual TLS.

use crate::fleet::free;
use crate::processes::{Process, control_plane};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

#[test]
fn etcd_is_reached_with_certificates_and_a_wrong_one_is_one_line() {
    let dir = std::env::temp_dir().join(format!("pushlane-fleet-tls-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let files = Files(dir);
    let (ours, other) = (files.authority("ca"), files.authority("other"));
    files.certificate("server", &ours);
    files.certificate("client", &ours);
    files.certificate("stranger", &other);
    let cluster = r#"{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"a"}"#;
    let state = files.write("state.json", &format!("{{\"resources\":[{cluster}]}}"));
    let ports = [free(), free()];
    let _etcd = etcd(&files, ports);
    let url = format!("https://127.0.0.1:{}", ports[0]);
    let flags = |ca: &str, client: &str| {
        let mut flags = vec!["--etcd".to_owned(), url.clone(), "--etcd-ca".into()];
        flags.push(files.path(&format!("{ca}.pem")));
        if !client.is_empty() {
            let (cert, key) = (format!("{client}.pem"), format!("{client}.key"));
            flags.extend(["--etcd-cert".into(), files.path(&cert)]);
            flags.extend(["--etcd-key".into(), files.path(&key)]);
        }
        flags
    };
    let put = |flags: Vec<String>| {
        let mut all = vec!["put", &state];
        all.extend(flags.iter().map(String::as_str));
        control_plane(&all)
    };
    let end = Instant::now() + LONG;
    loop {
        let output = put(flags("ca", "client"));
        if output.status.success() {
            break;
        }
        assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&output.stderr));
        std::thread::sleep(Duration::from_millis(100));
    }
    for (ca, client) in [("other", "client"), ("ca", "stranger"), ("ca", "")] {
        let output = put(flags(ca, client));
        let told = String::from_utf8(output.stderr).unwrap();
        println!("{ca} {client}: {told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.lines().count() == 1 && told.starts_with(&format!("etcd {url}: ")), "{told}");
        assert!(told.to_lowercase().contains("certificate"), "{told}");
    }
    let mut missing = flags("ca", "client");
    missing[3] = files.path("nothing.pem");
    let told = String::from_utf8(put(missing).stderr).unwrap();
    assert!(told.lines().count() == 1 && told.contains("nothing.pem"), "{told}");

    // A replica reads, watches and keeps its lease in the same way.
    let log = files.path("replica.log");
    let serve = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--for", "120"];
    let serve = flags("ca", "client").into_iter().chain(serve.map(String::from));
    let program = env!("CARGO_BIN_EXE_control-plane");
    let replica = Process::start(program, &serve.collect::<Vec<_>>(), Path::new(&log));
    while !["clients are admitted", "1 resources changed"]
        .iter()
        .all(|it| replica.log().contains(it))
    {
        assert!(Instant::now() < end, "{}", replica.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
