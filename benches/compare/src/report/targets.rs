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
    let direct = "pushlane, direct";
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
        at_most("publish to everyone, 1,000 clients, ≤ 50 ns", 50.0, " ns", everyone("pushlane")),
        at_most("the same, 1,000,000 clients", 50.0, " ns", everyone_of_all("pushlane")),
        at_most(
            "with a payload, `Journal<Shared>`, 1,000 clients, ≤ 80 ns",
            80.0,
            " ns",
            everyone("pushlane Journal"),
        ),
        at_most("the same, 1,000,000 clients", 80.0, " ns", everyone_of_all("pushlane Journal")),
        at_most(
            "publish to a topic of 1,000,000 clients, ≤ 0.7 ns a client",
            0.7,
            " ns",
            median(groups::IDLE, direct, million).map(|all| all / 1e6),
        ),
        ahead(
            results,
            "a payload through `Shared`, ≥ 4×",
            4.0,
            (groups::PAYLOAD, "pushlane Shared", hundred),
        ),
        ahead(
            results,
            "merging 16 keys, `Shared`, ≥ 100×",
            100.0,
            (groups::MERGE_16, "pushlane Shared", hundred),
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
            "with a payload, `Journal<Shared>`, ≤ 1.6× of the best peer",
            1.6,
            "×",
            over(
                median(groups::CYCLE, "pushlane Journal", "payload, 100"),
                results.best_peer(groups::CYCLE, "payload, 100").map(|row| row.median),
            ),
        ),
        ahead(
            results,
            "2 publishers and 2 workers, ≥ 0.8×",
            0.8,
            (groups::CONTENDED, "pushlane", "2"),
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
        at_most(
            "unregister and register, 100,000 topics, ≤ 10 µs",
            10.0,
            " µs",
            median(groups::LEAVE, "pushlane", hundred).map(|took| took / 1e3),
        ),
        at_most(
            "a push that forgets a subscription, 100,000 topics, ≤ 10 µs",
            10.0,
            " µs",
            median(groups::FORGET, "pushlane, a push that forgets", hundred).map(|took| took / 1e3),
        ),
        at_most(
            "register, the vacancy a round of 1,600,000 clients away, ≤ 1 µs",
            1.0,
            " µs",
            median(groups::VACANCY, "pushlane", "1600000").map(|took| took / 1e3),
        ),
        at_most(
            "a push while convergence of 160,000 clients is awaited, ≤ 2× of one of 1,000",
            2.0,
            "×",
            over(
                median(groups::AWAITED, "pushlane, awaited", "160000"),
                median(groups::AWAITED, "pushlane, awaited", "1000"),
            ),
        ),
        at_most(
            "a push 1,000 publishes behind, ≤ 2× of one 64 behind",
            2.0,
            "×",
            over(
                median(groups::BEHIND, "pushlane Journal", "1000"),
                median(groups::BEHIND, "pushlane Journal", "64"),
            ),
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
