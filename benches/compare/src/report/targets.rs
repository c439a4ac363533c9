//! What was aimed at, and whether it was met.

use std::fmt::Write;

use pushlane_bench::scenarios::groups;

use super::results::{Results, is_ours};

/// One target. `measured` is `None` if a part of it was not measured.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) measured: Option<String>,
    pub(super) met: bool,
}

/// At least `factor` times as fast as the best peer.
fn ahead(
    results: &Results,
    what: &'static str,
    factor: f64,
    compared: (&str, &str, &str),
) -> Target {
    let (group, name, value) = compared;
    let ours = results.median(group, name, value);
    let pair = ours.zip(results.best_peer(group, value));
    let measured = pair.map(|(ours, best)| format!("{:.1}× ({})", best.median / ours, best.name));
    let met = pair.is_some_and(|(ours, best)| best.median / ours >= factor);
    Target { what, measured, met }
}

/// At most so much.
fn at_most(what: &'static str, limit: f64, unit: &str, measured: Option<f64>) -> Target {
    let met = measured.is_some_and(|measured| measured <= limit);
    Target { what, measured: measured.map(|measured| format!("{measured:.2}{unit}")), met }
}

/// All targets.
pub(super) fn all(results: &Results) -> Vec<Target> {
    let median = |group, name, value| results.median(group, name, value);
    let over = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let hundred = "100000";
    let million = "1000000";
    let (direct, journal) = ("pushlane, direct", "pushlane Journal, direct");
    let (topic, journal_topic) = ("pushlane, direct", "pushlane Journal, direct");
    let payload = |ours, free, value| {
        over(median(groups::PAYLOAD, ours, value), median(groups::PAYLOAD, free, value))
    };
    let journals = |value| {
        let (direct, topic) =
            (payload(journal, direct, value), payload(journal_topic, topic, value));
        Some(direct?.max(topic?))
    };
    let cycle = |name| median(groups::CYCLE, name, "1000");
    let others = |name: &str| !is_ours(name) && name != "state words";
    let best_other = results
        .in_group(groups::CYCLE)
        .filter(|row| row.value == "1000" && others(&row.name))
        .map(|row| row.median)
        .min_by(f64::total_cmp);
    let everyone = |name| median(groups::ON_DEMAND, name, "1000");
    let everyone_of_all = |name| median(groups::ON_DEMAND, name, million);
    let memory = |name: &str| results.memory.iter().find(|row| row.name == name);
    let lock_free = ["pushlane", "pushlane Bits", "pushlane Journal"].map(memory);
    let allocations = lock_free
        .iter()
        .try_fold(0.0, |sum, row| Some(sum + row.as_ref()?.allocations.iter().sum::<f64>()));
    vec![
        ahead(
            results,
            "fan-out to 100,000 idle clients of a topic, ≥ 40×",
            40.0,
            (groups::IDLE, topic, hundred),
        ),
        ahead(
            results,
            "the same, marked by the publisher itself",
            40.0,
            (groups::IDLE, direct, hundred),
        ),
        at_most(
            "fan-out to 1,000,000 idle clients of a topic, ≤ 0.5 ns a client",
            0.5,
            " ns",
            median(groups::IDLE, topic, million).map(|all| all / 1e6),
        ),
        at_most(
            "the same, marked by the publisher itself",
            0.5,
            " ns",
            median(groups::IDLE, direct, million).map(|all| all / 1e6),
        ),
        at_most(
            "a payload through `Journal`, ≤ 2× of none, 100,000 clients",
            2.0,
            "×",
            journals(hundred),
        ),
        at_most("the same, 1,000,000 clients", 2.0, "×", journals(million)),
        ahead(
            results,
            "a payload through `Shared`, ≥ 2×",
            2.0,
            (groups::PAYLOAD, "pushlane Shared", hundred),
        ),
        ahead(
            results,
            "merging 16 keys, `Shared`, ≥ 8×",
            8.0,
            (groups::MERGE_16, "pushlane Shared", hundred),
        ),
        ahead(
            results,
            "merging 16 keys, `Journal`, ≥ 100×",
            100.0,
            (groups::MERGE_16, journal, hundred),
        ),
        at_most(
            "publish, lease, complete, ≤ 1.3× of the textbook's state words",
            1.3,
            "×",
            over(cycle("pushlane"), cycle("state words")),
        ),
        at_most(
            "the same, ahead of every other peer",
            1.0,
            "× of the next",
            over(cycle("pushlane"), best_other),
        ),
        at_most(
            "the same, with a limit of 100 pushes at once",
            1.0,
            "× of the next",
            over(cycle("pushlane, 100 permits"), best_other),
        ),
        ahead(results, "1 publisher and 1 worker, ≥ 3×", 3.0, (groups::CONTENDED, "pushlane", "1")),
        ahead(
            results,
            "the same, in batches",
            3.0,
            (groups::CONTENDED, "pushlane, in batches", "1"),
        ),
        ahead(
            results,
            "2 publishers and 2 workers, ≥ 3×",
            3.0,
            (groups::CONTENDED, "pushlane", "2"),
        ),
        ahead(
            results,
            "the same, in batches",
            3.0,
            (groups::CONTENDED, "pushlane, in batches", "2"),
        ),
        ahead(
            results,
            "1 publisher to all and 1 worker, ≥ 3×",
            3.0,
            (groups::CONTENDED_ALL, "pushlane", "1"),
        ),
        ahead(
            results,
            "2 publishers to all and 2 workers, ≥ 3×",
            3.0,
            (groups::CONTENDED_ALL, "pushlane", "2"),
        ),
        at_most("allocations with `Dirty`, `Bits`, `Journal`: 0", 0.0, "", allocations),
        at_most(
            "≤ 24 bytes a client without payload",
            24.0,
            " bytes",
            memory("pushlane").map(|row| row.queued),
        ),
        at_most("publish to everyone, 1,000 clients, ≤ 50 ns", 50.0, " ns", everyone("pushlane")),
        at_most(
            "the same, a set in an `Arc` through `Journal`",
            50.0,
            " ns",
            everyone("pushlane Journal"),
        ),
        at_most(
            "publish to everyone, 1,000,000 clients, ≤ 50 ns",
            50.0,
            " ns",
            everyone_of_all("pushlane"),
        ),
        at_most(
            "the same, a set in an `Arc` through `Journal`",
            50.0,
            " ns",
            everyone_of_all("pushlane Journal"),
        ),
        at_most(
            "drain of 1,000,000 clients afterwards, ≤ 60 ns a client",
            60.0,
            " ns",
            median(groups::DRAIN, "pushlane", million).map(|all| all / 1e6),
        ),
        at_most(
            "the same, with a limit of 100 pushes at once",
            60.0,
            " ns",
            median(groups::DRAIN, "pushlane, 100 permits", million).map(|all| all / 1e6),
        ),
        at_most(
            "the same, in batches",
            60.0,
            " ns",
            median(groups::DRAIN, "pushlane, in batches", million).map(|all| all / 1e6),
        ),
    ]
}

/// The same in Markdown.
pub(super) fn table(results: &Results) -> String {
    let mut out = String::from("| target | measured | |\n| --- | ---: | --- |\n");
    for Target { what, measured, met } in all(results) {
        let (measured, verdict) = match measured {
            Some(measured) => (measured, if met { "met" } else { "**NOT met**" }),
            None => ("not measured".into(), ""),
        };
        // Writing to a string doesn't fail.
        let _ = writeln!(out, "| {what} | {measured} | {verdict} |");
    }
    out
}
