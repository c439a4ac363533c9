//! Where and when it was measured.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

fn output(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A sentence for the report.
pub(super) fn describe(quick: bool) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split(':').nth(1)?.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| "unknown processor".into());
    let cores = available_parallelism().map_or(0, |cores| cores.get());
    let load = fs::read_to_string("/proc/loadavg").ok();
    let load = load.as_ref().and_then(|load| load.split(' ').next()).unwrap_or("unknown");
    let compiler = output("rustc", "--version").unwrap_or_else(|| "unknown compiler".into());
    let caution = if quick { " **A quick run: good for orders of magnitude only.**" } else { "" };
    format!(
        "{processor}, {cores} logical cores, {} {}; {compiler}; load when it began: {load}.{caution}",
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}
