//! Prometheus text.

use super::Seen;
use std::fmt::{self, Write};

/// The content type of version 0.0.4 of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn text(seen: &Seen) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = write(seen, &mut out);
    out
}

fn write(seen: &Seen, out: &mut String) -> fmt::Result {
    let m = &seen.metrics;
    let outstanding = seen
        .clients
        .iter()
        .flat_map(|client| &client.types)
        .filter(|each| each.outstanding.is_some());
    let rejecting =
        seen.clients.iter().flat_map(|client| &client.types).filter(|each| each.nack.is_some());
    for (name, help, value) in [
        ("streams", "Streams that are open.", m.streams),
        ("outstanding", "Responses that wait for an ACK or a NACK.", outstanding.count() as u64),
        ("rejecting", "Subscriptions whose last answer was a NACK.", rejecting.count() as u64),
        (
            "laggards",
            "Subscriptions that haven't answered the newest change that concerns them.",
            seen.laggards.len() as u64,
        ),
        (
            "revision",
            "The newest change.",
            seen.source.newest.as_ref().map_or(0, |newest| newest.revision()),
        ),
        ("queue_depth", "Subscriptions to one type that wait for a push to begin.", m.queue_depth),
        ("queue_clients", "Subscriptions to one type.", m.queue_clients),
        ("permits", "Responses that may be prepared at once.", m.permits),
        ("permits_held", "Responses that are being prepared.", m.permits_held),
    ] {
        one(out, &format!("pushlane_xds_{name}"), "gauge", help, value)?;
    }
    for (name, help, value) in [
        ("streams_opened", "Streams opened.", m.opened),
        ("requests", "Requests read.", m.requests),
        ("requests_stale", "Requests that answered a response that was not the last one.", m.stale),
        ("published", "Changes published.", m.published),
        ("responses", "Responses sent.", m.pushes),
        ("responses_oversized", "Responses that couldn't be split.", m.oversized),
        ("resources", "Resources in those responses.", m.resources),
        ("pushes_empty", "Pushes that found nothing to send.", m.nothing),
        ("pushes_deferred", "Pushes that waited for another type of their stream.", m.deferred),
        ("acks", "Responses accepted.", m.acks),
        ("nacks", "Responses rejected.", m.nacks),
    ] {
        one(out, &format!("pushlane_xds_{name}_total"), "counter", help, value)?;
    }
    by_reason(out, "streams_refused", "Streams refused.", m.refused.reasons())?;
    by_reason(out, "streams_ended", "Streams that have ended.", m.ended.reasons())?;
    let name = "pushlane_xds_answer_seconds";
    writeln!(
        out,
        "# HELP {name} From sending a response to its ACK or NACK.\n# TYPE {name} summary"
    )?;
    writeln!(
        out,
        "{name}_sum {:.6}\n{name}_count {}",
        m.ack_micros as f64 / 1e6,
        m.acks + m.nacks
    )?;

    let source = &seen.source;
    let faults = source.fault_count as u64;
    one(out, "pushlane_source_faults", "gauge", "Faults of the present file.", faults)?;
    one(out, "pushlane_source_reads_total", "counter", "Files read and served.", source.reads)?;
    one(out, "pushlane_source_rejects_total", "counter", "Files rejected.", source.rejects)?;
    let name = "pushlane_source_resources";
    writeln!(out, "# HELP {name} Resources served.\n# TYPE {name} gauge")?;
    for (kind, count) in &source.counts {
        writeln!(out, "{name}{{type=\"{}\"}} {count}", label(kind))?;
    }
    Ok(())
}

fn by_reason(
    out: &mut String,
    name: &str,
    help: &str,
    reasons: impl Iterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let name = format!("pushlane_xds_{name}_total");
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter")?;
    for (reason, count) in reasons {
        writeln!(out, "{name}{{reason=\"{reason}\"}} {count}")?;
    }
    Ok(())
}

fn one(out: &mut String, name: &str, kind: &str, help: &str, value: u64) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
}

/// A label's value, quoted as the format wants it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let mut seen = Seen::default();
        seen.source.counts.insert("a\"b\\c\nd".into(), 3);
        let text = text(&seen);
        for line in text.lines() {
            let sample =
                line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
            assert!(line.starts_with("# ") || sample, "{line}");
        }
        assert!(text.contains("pushlane_source_resources{type=\"a\\\"b\\\\c\\nd\"} 3\n"), "{text}");
        assert!(text.ends_with('\n') && text.contains("\npushlane_xds_nacks_total 0\n"));
    }
}
