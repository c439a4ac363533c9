//! What a process costs, from `/proc`. Elsewhere than on Linux: nothing is known.

use std::fs;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Resident memory in bytes, now and at its most.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// CPU seconds so far.
    pub(crate) cpu: f64,
}

/// Of the kernel's clock, in which CPU time is counted: the same on all of its usual builds.
const TICKS: f64 = 100.0;

pub(crate) fn cost(pid: u32) -> Cost {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0) * 1024
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may contain anything; what follows it does not.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Cost {
        resident: kilobytes("VmRSS:"),
        peak: kilobytes("VmHWM:"),
        cpu: times.iter().sum::<f64>() / TICKS,
    }
}
