//! The tables, in Markdown. Rows are in the order of the figures, so that what loses stands below
//! what wins.

use std::fmt::Write;

use pushlane_bench::scenarios::{groups, iteration};

use super::results::{Results, Row, is_ours};
use super::{Fallible, instructions, targets};

/// How a group is shown.
struct Shown {
    group: &'static str,
    /// What one iteration is divided by.
    unit: Unit,
    /// Under the table's heading.
    about: &'static str,
    /// Which of ours is compared with the best peer.
    ours: &'static str,
}

enum Unit {
    Client,
    Operation,
}

const SHOWN: [Shown; 18] = [
    Shown {
        group: groups::IDLE,
        unit: Unit::Client,
        about: "A publish to a topic that all clients depend on, while none is queued: the publisher marks \
                all of them. ns a client, by number of clients.",
        ours: "pushlane, direct",
    },
    Shown {
        group: groups::PAYLOAD,
        unit: Unit::Client,
        about: "The same with a set of one key; `pushlane, direct` carries nothing, for comparison. \
                ns a client.",
        ours: "pushlane Shared",
    },
    Shown {
        group: groups::MERGE_NOTHING,
        unit: Unit::Client,
        about: "A publish to all, everybody is queued already. ns a client.",
        ours: "pushlane, direct",
    },
    Shown {
        group: groups::MERGE_1,
        unit: Unit::Client,
        about: "Everybody is queued with one key, and is published another one. ns a client.",
        ours: "pushlane Shared",
    },
    Shown {
        group: groups::MERGE_16,
        unit: Unit::Client,
        about: "The same with 16 keys and 16 others.",
        ours: "pushlane Shared",
    },
    Shown {
        group: groups::MERGE_256,
        unit: Unit::Client,
        about: "The same with 256 keys and 256 others.",
        ours: "pushlane Shared",
    },
    Shown {
        group: groups::SCOPE,
        unit: Unit::Operation,
        about: "A publish to every hundredth and to every tenth of 100,000 clients: through a topic, and \
                through a list of them. The whole publish.",
        ours: "pushlane",
    },
    Shown {
        group: groups::DRAIN,
        unit: Unit::Client,
        about: "Leasing and completing for all, after a publish to all; pushlane's workers make the marks here. \
                ns a client, by number of clients.",
        ours: "pushlane",
    },
    Shown {
        group: groups::CYCLE,
        unit: Unit::Operation,
        about: "One client is published to, leased and completed, by one thread. By number of clients; \
                with a payload, a set of one key.",
        ours: "pushlane",
    },
    Shown {
        group: groups::ON_DEMAND,
        unit: Unit::Operation,
        about: "`Target::Everyone` where a request needs no place a client. The whole publish, by number of \
                clients. Workers make the marks: see the drain.",
        ours: "pushlane",
    },
    Shown {
        group: groups::CHURN,
        unit: Unit::Operation,
        about: "A client comes and goes again; 99 % of the places are taken. The peers register nobody.",
        ours: "pushlane",
    },
    Shown {
        group: groups::CONVERGENCE,
        unit: Unit::Operation,
        about: "Asked while one client in ten is busy with something newer. The peers can't answer.",
        ours: "pushlane",
    },
    Shown {
        group: groups::LEAVE,
        unit: Unit::Operation,
        about: "1,000 places. By the number of topics, to none of which the client is subscribed.",
        ours: "pushlane",
    },
    Shown {
        group: groups::FORGET,
        unit: Unit::Operation,
        about: "A client subscribes, unsubscribes and is pushed to; the push forgets the subscription. Beside it \
                the push alone. By the number of topics.",
        ours: "pushlane",
    },
    Shown {
        group: groups::VACANCY,
        unit: Unit::Operation,
        about: "A client leaves and one comes, all other places are taken. A search in the order of the banks \
                would look at all of them. By the number of clients.",
        ours: "pushlane",
    },
    Shown {
        group: groups::AWAITED,
        unit: Unit::Operation,
        about: "One push of those that follow a publish to everyone, with a tracker that advances after each push, \
                and without. Making the tracker counts. By the number of clients.",
        ours: "pushlane",
    },
    Shown {
        group: groups::BEHIND,
        unit: Unit::Operation,
        about: "One push of 1,000, by the number of publishes to everyone that each client has missed. All have \
                missed the same, so what they get is merged once.",
        ours: "pushlane Journal",
    },
    Shown {
        group: groups::LATENCY,
        unit: Unit::Operation,
        about: "From the call of publish to the first line of the handler, which slept: on a thread, or as a \
                task of tokio. The scheduler decides most of it, so these medians vary a good deal from run to run.",
        ours: "pushlane",
    },
];

/// Nanoseconds, as one reads them.
pub(super) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        t if t < 10.0 => format!("{t:.2} ns"),
        t if t < 100.0 => format!("{t:.1} ns"),
        t if t < 10_000.0 => format!("{} ns", thousands(t)),
        t if t < 10_000_000.0 => format!("{} µs", thousands(t / 1e3)),
        t => format!("{} ms", thousands(t / 1e6)),
    }
}

/// Rounded, with commas.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "40× faster" or "1.3× slower".
pub(super) fn ratio(theirs: f64, ours: f64) -> String {
    let faster = theirs / ours;
    match faster {
        r if r >= 9.5 => format!("{}× faster", thousands(r)),
        r if r >= 1.0 => format!("{r:.1}× faster"),
        r => format!("{:.1}× slower", 1.0 / r),
    }
}

/// The same, and what is lost stands out.
fn verdict(theirs: f64, ours: f64) -> String {
    let ratio = ratio(theirs, ours);
    if theirs < ours { format!("**{ratio}**") } else { ratio }
}

impl Shown {
    fn cost(&self, row: &Row) -> f64 {
        match self.unit {
            Unit::Client => row.median / row.clients(),
            Unit::Operation => row.median,
        }
    }

    /// The group's columns; numbers in their order.
    fn values(&self, results: &Results) -> Vec<String> {
        let mut values: Vec<_> =
            results.in_group(self.group).map(|row| row.value.clone()).collect();
        values.sort_by_key(|value| (value.parse::<u64>().unwrap_or(u64::MAX), value.clone()));
        values.dedup();
        values
    }

    fn table(&self, results: &Results, out: &mut String) -> std::fmt::Result {
        let values = self.values(results);
        if values.is_empty() {
            return Ok(());
        }
        writeln!(out, "### {}\n\n{}\n", sentence(self.group), self.about)?;
        let heads = values.iter().map(|value| value.parse().map_or(value.clone(), thousands));
        writeln!(out, "| | {} |", heads.collect::<Vec<_>>().join(" | "))?;
        writeln!(out, "| --- |{}", " ---: |".repeat(values.len()))?;
        let cost = |name: &str, value: &String| {
            let row =
                results.in_group(self.group).find(|row| row.name == name && row.value == *value);
            row.map(|row| self.cost(row))
        };
        let mut names: Vec<_> = results.in_group(self.group).map(|row| row.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // By the first column that a subject is in.
        let rank = |name: &&str| {
            values.iter().enumerate().find_map(|(column, value)| Some((column, cost(name, value)?)))
        };
        names.sort_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal));
        for name in names {
            let shown = if is_ours(name) { format!("**{name}**") } else { name.to_owned() };
            let cells = values.iter().map(|value| cost(name, value).map_or(String::new(), time));
            writeln!(out, "| {shown} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        writeln!(out)?;
        self.verdict(results, &values, out)
    }

    /// Who is ahead, and of whom.
    fn verdict(&self, results: &Results, values: &[String], out: &mut String) -> std::fmt::Result {
        let mut verdicts = Vec::new();
        for value in values {
            let Some(best) = results.best_peer(self.group, value) else { continue };
            for row in results.in_group(self.group).filter(|row| row.value == *value) {
                if !is_ours(&row.name) || (row.name != self.ours && row.median <= best.median) {
                    continue;
                }
                let at = value.parse().map_or(value.clone(), thousands);
                let ratio = verdict(best.median, row.median);
                verdicts.push(format!("{at}: {} is {ratio} than {}", row.name, best.name));
            }
        }
        if verdicts.is_empty() {
            return Ok(());
        }
        writeln!(out, "Against the best peer: {}.\n", verdicts.join("; "))
    }
}

fn sentence(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// All that is generated of docs/performance.md.
pub(super) fn performance(results: &Results, machine: &str) -> Fallible<String> {
    let mut out = String::new();
    writeln!(out, "## Results\n\n{machine}\n\n### Targets\n\n{}", targets::table(results))?;
    writeln!(out, "![Against the best peer](performance/targets.svg)\n")?;
    for shown in &SHOWN {
        shown.table(results, &mut out)?;
        let plot = match shown.group {
            groups::IDLE => "fan-out",
            groups::CYCLE => "cycle",
            groups::DRAIN => "drain",
            groups::ON_DEMAND => "everyone",
            groups::LEAVE => "leave",
            groups::FORGET => "forget",
            groups::VACANCY => "vacancy",
            groups::AWAITED => "awaited",
            groups::BEHIND => "behind",
            _ => continue,
        };
        writeln!(out, "![{}](performance/{plot}.svg)\n", sentence(shown.group))?;
    }
    let times = "Publishers publish as fast as they can, so a design that holds workers up merges more and pushes less.";
    contended(results, groups::CONTENDED, times, &mut out)?;
    writeln!(out, "![{}](performance/threads.svg)\n", sentence(groups::CONTENDED))?;
    let to_all =
        "The same, and each publish is to all of 1,000 clients, which counts as 1,000 publishes.";
    contended(results, groups::CONTENDED_ALL, to_all, &mut out)?;
    memory(results, &mut out)?;
    out += &instructions::table()?;
    Ok(out)
}

fn contended(results: &Results, group: &str, about: &str, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "### {}\n\nMillions of operations a second, publishes and pushes together; in brackets each of them. \
         {about}\n",
        sentence(group)
    )?;
    let rows = || results.contended.iter().filter(|row| row.group == group);
    writeln!(out, "| | 1 + 1 | 2 + 2 | 4 + 4 |\n| --- | ---: | ---: | ---: |")?;
    let total = |name: &str, pairs: u64| {
        let row = rows().find(|row| row.name == name && row.pairs == pairs)?;
        let median = results.median(group, name, &pairs.to_string())?;
        Some((1e3 * iteration(group) / median, row.publishes / 1e6, row.pushes / 1e6))
    };
    let mut names: Vec<_> = rows().map(|row| row.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let rank = |name: &str| total(name, 2).map_or(0.0, |(all, ..)| all);
    names.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    for name in names {
        let shown = if is_ours(name) { format!("**{name}**") } else { name.to_owned() };
        let cell = |pairs| match total(name, pairs) {
            Some((all, publishes, pushes)) => {
                let millions = |number: f64| {
                    if number < 1e3 { format!("{number:.1}") } else { thousands(number) }
                };
                format!("{} ({}, {})", millions(all), millions(publishes), millions(pushes))
            }
            None => String::new(),
        };
        writeln!(out, "| {shown} | {} | {} | {} |", cell(1), cell(2), cell(4))?;
    }
    writeln!(out)
}

fn memory(results: &Results, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "### Memory and allocations\n\nBytes a client with 100,000 clients, when nobody is queued and when all \
         are, the payload itself not counted; allocations of one publish, lease and completion in steady state.\n"
    )?;
    writeln!(out, "| | payload | idle | all queued | publish | lease | complete |")?;
    writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")?;
    for row in &results.memory {
        let name = if is_ours(&row.name) { format!("**{}**", row.name) } else { row.name.clone() };
        let payload = if row.payload { "yes" } else { "no" };
        let [publish, lease, complete] = row.allocations;
        writeln!(
            out,
            "| {name} | {payload} | {:.1} | {:.1} | {publish} | {lease} | {complete} |",
            row.idle, row.queued
        )?;
    }
    writeln!(out)
}

/// The README's table.
pub(super) fn short(results: &Results) -> Fallible<String> {
    let mut out = String::new();
    writeln!(out, "| | pushlane | best of seven others | |\n| --- | ---: | ---: | --- |")?;
    let mut line = |what: &str, group, name: &str, value: &str, per: f64| -> std::fmt::Result {
        let (Some(ours), Some(best)) =
            (results.median(group, name, value), results.best_peer(group, value))
        else {
            return Ok(());
        };
        let (mine, theirs) = (time(ours / per), time(best.median / per));
        let ratio = verdict(best.median, ours);
        writeln!(out, "| {what} | {mine} | {theirs} ({}) | {ratio} |", best.name)
    };
    let size = "100000";
    let direct = "pushlane, direct";
    line("a publish to 100,000 idle clients, a client", groups::IDLE, direct, size, 1e5)?;
    line("with a payload, `Shared`, a client", groups::PAYLOAD, "pushlane Shared", size, 1e5)?;
    line(
        "merging 16 keys into each of them, `Shared`, a client",
        groups::MERGE_16,
        "pushlane Shared",
        size,
        1e5,
    )?;
    line("one publish, lease and completion", groups::CYCLE, "pushlane", "1000", 1.0)?;
    line("an operation with 2 publishers and 2 workers", groups::CONTENDED, "pushlane", "2", 1.0)?;
    let all = groups::CONTENDED_ALL;
    line("the same, each publish to 1,000 clients", all, "pushlane", "2", iteration(all))?;
    line("a push after a publish to 100,000 clients", groups::DRAIN, "pushlane", size, 1e5)?;
    let on_demand = [("", "pushlane"), (", with a payload", "pushlane Journal")];
    for (what, name) in on_demand {
        if let Some(everyone) = results.median(groups::ON_DEMAND, name, "1000000") {
            let took = time(everyone);
            writeln!(out, "| a publish to all of 1,000,000 clients{what} | {took} | | |")?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_one_reads_them() {
        assert_eq!(
            [0.5, 999.6, 1e6, 12_345.0].map(thousands),
            ["0", "1,000", "1,000,000", "12,345"]
        );
        assert_eq!(
            [0.416, 23.0, 340.2, 8e6].map(time),
            ["0.42 ns", "23.0 ns", "340 ns", "8,000 µs"]
        );
    }

    #[test]
    fn what_is_slower_says_so() {
        assert_eq!(ratio(40.0, 1.0), "40× faster");
        assert_eq!(ratio(1.0, 1.0), "1.0× faster");
        assert_eq!(verdict(1.0, 1.3), "**1.3× slower**");
    }
}
