//! What a run has shown, in words.

use std::fmt::Write;

use crate::cli::{Cli, Design};
use crate::clients::Outcome;

pub(crate) fn setting(cli: &Cli) -> String {
    let Cli { clients, rate, seconds, services, watch, views, everyone, slow, stuck, .. } = cli;
    let view = if *views == 1 { "view" } else { "views" };
    let protocol = if cli.delta { "incremental" } else { "state of the world" };
    format!(
        "{clients} streams ({protocol}), {watch} of {services} services each, {views} {view}, {rate} \
         changes/s for {seconds} s, one in {everyone} for everybody; one client in {slow} slow, one \
         in {stuck} stuck"
    )
}

pub(crate) fn percentile(sorted: &[u32], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    f64::from(sorted.get(at).copied().unwrap_or(0)) / 1_000.0
}

pub(crate) fn outcome(design: Design, outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<34}{value}");
    };
    line("everybody connected and served", format!("{:.1} s", outcome.connected.as_secs_f64()));
    for (whom, times) in ["some", "everybody"].iter().zip(&outcome.latencies) {
        let took = [0.5, 0.99, 1.0].map(|part| format!("{:.1}", percentile(times, part)));
        line(&format!("change due for {whom} to ACK"), {
            format!("{} ms (p50, p99, worst; {} of them)", took.join(", "), times.len())
        });
    }
    line("responses", outcome.responses.to_string());
    let settled = match outcome.settled {
        Some(after) => format!("{:.1} s after the last change", after.as_secs_f64()),
        None => format!("not: {} clients are out of date", outcome.wrong),
    };
    line("everybody up to date", settled);
    line("streams lost", outcome.broken.to_string());
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let more = outcome.idle.resident.saturating_sub(outcome.before.resident);
    let each = more as f64 / outcome.clients.max(1) as f64 / 1e3;
    line("server, no clients", megabytes(outcome.before.resident));
    line(
        "server, connected",
        format!("{}, {each:.1} kB a client", megabytes(outcome.idle.resident)),
    );
    line("server, at most", megabytes(outcome.after.peak));
    let cpu = (outcome.after.cpu - outcome.idle.cpu) / outcome.ran.as_secs_f64().max(0.001);
    let each = cpu * outcome.ran.as_secs_f64() / outcome.pushed.max(1) as f64 * 1e6;
    line("server, CPU during the changes", {
        format!("{:.0} % of one core, {each:.1} us a response", cpu * 100.0)
    });
    line("server says", outcome.metrics.clone());
    format!("{design:?}\n{text}")
}
