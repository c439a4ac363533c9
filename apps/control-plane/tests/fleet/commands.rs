//! What `put`, `wait` and `status` say and how they exit: one line for a fault, with the endpoint.

use crate::fleet::{free, start_etcd};
use crate::processes::{Process, control_plane};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Etcd {
    pub(crate) dir: PathBuf,
    pub(crate) url: String,
    ports: [u16; 2],
    process: Process,
}

impl Etcd {
    pub(crate) fn start(name: &str, more: &[(&str, &str)]) -> Self {
        let dir = std::env::temp_dir().join(format!("pushlane-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let ports = [free(), free()];
        let process = start_etcd(&dir, ports, more);
        let etcd = Self { dir, url: format!("http://127.0.0.1:{}", ports[0]), ports, process };
        etcd.answers();
        etcd
    }

    fn answers(&self) {
        let end = Instant::now() + LONG;
        while self.run(&["status"]).0 != Some(0) {
            assert!(Instant::now() < end, "etcd does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Begins again with nothing.
    pub(crate) fn wipe(&mut self) {
        self.process.kill();
        std::fs::remove_dir_all(self.dir.join("etcd")).unwrap();
        self.process = start_etcd(&self.dir, self.ports, &[]);
        self.answers();
    }

    /// The exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        run(&[arguments, &["--etcd", &self.url]].concat())
    }

    /// Puts so many clusters with names for statistics of so many bytes.
    fn put(&self, count: usize, bytes: usize) -> (Option<i32>, String, String) {
        let clusters = (0..count).map(|number| {
            let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
            let name = "x".repeat(bytes);
            format!(r#"{{"@type":"{kind}","name":"c{number}","altStatName":"{name}"}}"#)
        });
        let text = clusters.collect::<Vec<_>>().join(",");
        let file = self.dir.join("state.json");
        std::fs::write(&file, format!("{{\"resources\":[{text}]}}")).unwrap();
        self.run(&["put", path(&file)])
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = control_plane(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// One line that begins so and contains so much.
fn one_line(said: &str, begin: &str, part: &str) {
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with(begin) && said.contains(part), "{said}");
}

#[test]
fn what_is_too_much_for_one_transaction_is_one_line_and_changes_nothing() {
    let etcd = Etcd::start("limits", &[]);
    let begin = format!("etcd {}: writing: ", etcd.url);
    let (code, revision, _) = etcd.put(127, 1);
    assert_eq!(code, Some(0), "127 resources and the marker");
    let (code, _, said) = etcd.put(255, 1);
    assert_eq!(code, Some(2));
    one_line(&said, &begin, "129 are needed; etcd's --max-txn-ops allows more");
    // etcd refuses the one, its gRPC library the other.
    for (count, bytes, all) in [(2, 1_000_000, "has 200"), (4, 1_000_000, "has 400")] {
        let (code, _, said) = etcd.put(count, bytes);
        assert_eq!(code, Some(2));
        one_line(&said, &begin, all);
        one_line(&said, &begin, "etcd's --max-request-bytes allows more");
    }
    let (code, again, _) = etcd.put(127, 1);
    assert_eq!(code, Some(0));
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    assert_eq!(number(&again), number(&revision) + 1, "nothing was written in between");
}

#[test]
fn an_etcd_with_higher_limits_takes_a_larger_state() {
    let more = [("--max-txn-ops", "10000"), ("--max-request-bytes", "10000000")];
    let etcd = Etcd::start("higher", &more);
    assert_eq!(etcd.put(2_000, 1).0, Some(0));
    assert_eq!(etcd.put(5, 1_000_000).0, Some(0));
}

#[test]
fn commands_exit_with_what_they_found() {
    let etcd = Etcd::start("codes", &[]);
    let wait = ["wait", "--revision", "1", "--timeout", "1s"];
    let (code, _, said) = etcd.run(&wait);
    assert_eq!((code, said.as_str()), (Some(1), "there is no replica\n"));
    let (code, _, said) = etcd.run(&["put", path(&etcd.dir.join("nothing.json"))]);
    assert_eq!(code, Some(2));
    one_line(&said, path(&etcd.dir), "No such file");

    let nowhere = format!("http://127.0.0.1:{}", free());
    for endpoints in [[&nowhere, &etcd.url], [&etcd.url, &nowhere]].repeat(5) {
        let endpoints = endpoints.map(String::as_str).join(",");
        let (code, _, said) = run(&["status", "--etcd", &endpoints]);
        assert_eq!(code, Some(0), "one of them is there: {said}");
    }
    for command in [&wait[..], &["status"], &["limit", "5"]] {
        let (code, _, said) = run(&[command, &["--etcd", &nowhere]].concat());
        assert_eq!(code, Some(2), "{command:?}");
        one_line(&said, &format!("etcd {nowhere}: "), "Connection refused");
    }
    let file = etcd.dir.join("ca.pem");
    std::fs::write(&file, "").unwrap();
    for (flags, part) in [
        (&["--etcd", "127.0.0.1:2379"][..], "expected a URL"),
        (&["--etcd", &nowhere, "--etcd-ca", path(&file)], "expected https"),
        (&[], "it is missing"),
    ] {
        let (code, _, said) = run(&[&["status"], flags].concat());
        assert_eq!(code, Some(2));
        one_line(&said, "--etcd", part);
    }
}
