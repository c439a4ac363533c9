//! Flags that make no sense, and what the limits cost.

use crate::plane::Plane;
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
