//! Flags that make no sense, and what the limits cost.

use crate::plane::{Dir, Plane};
use std::fs;
use std::process::Command;

fn refused(flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_control-plane")).args(flags).output().unwrap();
    assert!(!output.status.success(), "{flags:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_would_serve_nobody_is_refused() {
    assert!(refused(&["--permits", "0"]).contains("nothing would be served"));
    assert!(refused(&["--streams", "100000000000"]).contains("may take 120.0 TB of memory"));
}

#[test]
fn what_nobody_means_is_refused() {
    let etcd = ["--etcd", "http://127.0.0.1:1"];
    for (flags, part) in [
        (["--replica", ""], "expected a name"),
        (["--replica", "*"], "expected a name"),
        (["--replica", "a/b"], "expected a name"),
        (["--lease", "0.5"], "expected at least 1 second"),
        (["--keepalive", "1.8e19"], "expected at most"),
    ] {
        assert!(refused(&[&etcd[..], &flags].concat()).contains(part), "{flags:?}");
    }
    let wait = ["wait", "--revision", "1", "--timeout", "1.8e19"];
    assert!(refused(&[&wait[..], &etcd].concat()).contains("expected at most"));
    for flag in ["--lease", "--shed-rate"] {
        assert!(refused(&[flag, "5"]).contains("--etcd <URLS>"), "{flag}");
    }
}

#[test]
fn a_type_that_no_key_can_say_is_not_put() {
    let dir = Dir::new("put");
    for type_url in ["other.example/a.Type", "type.googleapis.com/a/Type"] {
        let resource = format!(r#"{{"type_url":"{type_url}","name":"x","value":""}}"#);
        dir.replace("resources.b64.json", &format!(r#"{{"resources":[{resource}]}}"#));
        let said = refused(&["put", &dir.path(""), "--etcd", "http://127.0.0.1:1"]);
        assert!(said.contains(&format!("\"x\" of type {type_url:?}: no key")), "{said}");
    }
}

#[test]
fn a_directory_without_a_file_is_told_of() {
    let plane = Plane::start(&["--resources", "/nowhere"]);
    let file = "none of resources.b64.json, resources.json, resources.yaml in /nowhere";
    plane.line(&format!("{file}: nothing is served yet"));
}

/// The estimate that `--streams` is judged by is neither too low nor too high.
#[cfg(target_os = "linux")]
#[test]
fn streams_take_as_much_memory_as_is_estimated() {
    let resident = |streams: &str| {
        let plane = Plane::start(&["--streams", streams]);
        plane.line("resources, ");
        let status = fs::read_to_string(format!("/proc/{}/status", plane.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    };
    let (few, many) = (resident("1"), resident("20000"));
    let estimate = 20_000 * 8 * 150;
    let took = many.saturating_sub(few);
    let about = estimate * 4 / 5..estimate * 5 / 4;
    assert!(about.contains(&took), "{took} bytes, where {estimate} were estimated");
}
