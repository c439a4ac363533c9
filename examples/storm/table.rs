//! The report for people: a table, and what is to be seen in it.

use crate::report::{Input, Outcome};
use std::fmt::Write;
use std::time::Duration;

const LABELS: usize = 40;
const COLUMN: usize = 16;

/// Renders the table and its conclusion.
pub(crate) fn table(input: Input, title: &str, outcomes: &[Outcome]) -> String {
    let mut text = format!("{title}\n");
    if input.bad_lines > 0 {
        text += &format!("{} malformed lines were left out\n", count(input.bad_lines));
    }
    text += "\n";
    let mut row = |label: &str, cell: &dyn Fn(&Outcome) -> String| {
        let mut line = format!("{label:<LABELS$}");
        for outcome in outcomes {
            let _ = write!(line, "{:>COLUMN$}", cell(outcome));
        }
        text += line.trim_end();
        text += "\n";
    };
    row("", &|run| run.name.to_owned());
    row("pushes sent", &|run| count(run.counts.pushes));
    row("  that carried nothing new", &|run| count(run.counts.redundant));
    row("requests merged away", &|run| count(run.counts.merged));
    row("changes LOST", &|run| count(run.verdict.lost));
    row("  by so many clients", &|run| count(run.verdict.stale_clients));
    row("stalled (hung clients hold all permits)", &|run| time(Some(run.stalled)));
    row("streams closed by the send timeout", &|run| count(run.counts.evicted));
    row("peak backlog, requests", &|run| count(run.peak_requests() as u64));
    row("  bytes", &|run| bytes(run.peak_bytes()));
    row("convergence, half of all changes within", &|run| time(run.convergence(50)));
    row("  99 %", &|run| time(run.convergence(99)));
    row("  all", &|run| time(run.convergence(100)));
    row("freshness, half of all pairs within", &|run| time(run.freshness(50)));
    row("  99 %", &|run| time(run.freshness(99)));
    row("bookkeeping, real time a change", &|run| {
        time(Some(Duration::from_nanos(run.nanoseconds_per_event() as u64)))
    });
    text + "\n" + &wrap(&conclusion(outcomes), 98)
}

/// What the numbers say.
fn conclusion(outcomes: &[Outcome]) -> String {
    let about = |run: &Outcome| {
        let lost = match run.verdict.lost {
            0 => "lost nothing".to_owned(),
            lost => {
                let clients = run.verdict.stale_clients;
                format!(
                    "left {} clients without {} changes they were owed",
                    count(clients),
                    count(lost)
                )
            }
        };
        let stalled = match run.stalled.is_zero() {
            true => "never stood still".to_owned(),
            false => format!(
                "stood still for {} while hung clients held every permit",
                time(Some(run.stalled))
            ),
        };
        let half = match run.convergence(50) {
            Some(half) => format!("had half of all changes everywhere within {}", time(Some(half))),
            None => "had nothing to deliver".to_owned(),
        };
        format!("{} {lost}, {stalled} and {half}.", run.name)
    };
    outcomes.iter().map(about).collect::<Vec<_>>().join(" ")
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        if lines[line].is_empty() {
            lines[line] += word;
        } else if lines[line].len() + 1 + word.len() <= width {
            lines[line] = format!("{} {word}", lines[line]);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// With a comma before every third digit.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(bytes: usize) -> String {
    match bytes as f64 {
        few if few < 1e3 => format!("{few} B"),
        some if some < 1e6 => format!("{:.1} kB", some / 1e3),
        many if many < 1e9 => format!("{:.1} MB", many / 1e6),
        lots => format!("{:.1} GB", lots / 1e9),
    }
}

/// Three digits that matter, in the unit that suits.
pub(crate) fn time(time: Option<Duration>) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    match time.as_secs_f64() {
        0.0 => "0 s".to_owned(),
        seconds if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        seconds if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 1_000.0 => format!("{seconds:.1} s"),
        seconds => format!("{} s", count(seconds as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Verdict;
    use crate::world::Counts;

    fn outcome(name: &'static str, pushes: u64, lost: u64, stalled: u64) -> Outcome {
        Outcome {
            name,
            counts: Counts { pushes, ..Counts::default() },
            verdict: Verdict {
                lost,
                stale_clients: lost.min(3),
                convergence: vec![Duration::from_secs(pushes); 2],
                freshness: vec![],
            },
            stalled: Duration::from_millis(stalled),
            samples: vec![],
            bookkeeping: Duration::ZERO,
            events: 1,
        }
    }

    #[test]
    fn the_conclusion_follows_from_the_numbers() {
        let runs = [outcome("a", 300, 7, 0), outcome("b", 100, 0, 5_000)];
        assert_eq!(
            conclusion(&runs),
            "a left 3 clients without 7 changes they were owed, never stood still and had half of all changes \
             everywhere within 300.0 s. b lost nothing, stood still for 5.0 s while hung clients held every \
             permit and had half of all changes everywhere within 100.0 s."
        );
    }

    #[test]
    fn it_fits_in_a_hundred_columns() {
        let input = Input { events: 1, clients: 1, seed: 1, bad_lines: 12_345 };
        let runs =
            ["v1_1", "v1_4", "pushlane"].map(|name| outcome(name, 1 << 40, 1 << 40, 1 << 40));
        let text = table(input, "title", &runs);
        assert!(text.contains("12,345 malformed lines"));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([999, 1_500, 2_000_000].map(bytes), ["999 B", "1.5 kB", "2.0 MB"]);
        let of = |nanoseconds| time(Some(Duration::from_nanos(nanoseconds)));
        assert_eq!([0, 17, 1_500, 2_345_678].map(of), ["0 s", "17 ns", "1.5 µs", "2.3 ms"]);
        assert_eq!([5_000_000_000, 12_345_000_000_000].map(of), ["5.0 s", "12,345 s"]);
    }
}
