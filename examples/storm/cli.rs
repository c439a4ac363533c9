//! The command line.

use crate::designs::{Knobs, Name};
use crate::peers::walk::Timing;
use crate::population::Sizes;
use crate::run::Quiet;
use clap::{Parser, ValueEnum};
use pushlane::debounce::{Pace, Stretch};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Replays a history of configuration changes against simulated clients under three designs of a
/// control plane's push path, and prints what became of the clients.
///
/// Time is virtual: a run takes seconds, and the same seed gives the same numbers (all but the CPU
/// time). All designs see the same changes, clients and misfortunes. An oracle that knows the
/// history, and not the designs, says what was lost.
///
/// The defaults are a bad day, chosen so that all three effects are to be seen in one run: v1_1
/// loses changes, v1_4 stands still, pushlane does neither. With another --seed one of the first
/// two may be missing. Below is what each of them depends on.
#[derive(Debug, Parser)]
#[command(name = "storm", allow_negative_numbers = true, after_long_help = AFTER, max_term_width = 100)]
pub(crate) struct Cli {
    /// A recorded history instead of a generated one: one JSON object a line,
    /// {"t":seconds,"op":"add|modify|delete","namespace":…,"kind":…,"name":…}. `-` is standard
    /// input
    #[arg(long, value_name = "FILE", help_heading = "History")]
    pub(crate) trace: Option<PathBuf>,
    /// Leave malformed lines of the trace out, and count them, instead of stopping
    #[arg(long, requires = "trace", help_heading = "History")]
    pub(crate) skip_bad: bool,
    /// Changes to generate
    #[arg(long, default_value_t = 2_000, conflicts_with = "trace", help_heading = "History")]
    pub(crate) events: u32,
    /// Changes a second, on average; gaps and bursts keep their proportions [default: 10, or 100
    /// for a trace]
    #[arg(long, help_heading = "History")]
    rate: Option<f64>,
    /// Changes in this namespace concern every client
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "istio-system",
        help_heading = "History"
    )]
    pub(crate) root: String,
    /// What history and clients are drawn from
    #[arg(long, default_value_t = 1, help_heading = "History")]
    pub(crate) seed: u64,

    /// Clients
    #[arg(long, default_value_t = 10_000, help_heading = "Clients")]
    pub(crate) clients: u32,
    /// Clients that stop reading for ever, all at one moment, after 40 % of the history [default: 5
    /// % of the clients]
    #[arg(long, help_heading = "Clients")]
    pub(crate) hung: Option<u32>,
    /// Clients that take 0.5 to 3 s, sometimes 8 s, for what others do in 2 to 20 ms [default: 0.2
    /// % of the clients]
    #[arg(long, help_heading = "Clients")]
    pub(crate) slow: Option<u32>,
    /// Clients that leave once and come back 2 to 20 s later [default: 2 % of the clients]
    #[arg(long, help_heading = "Clients")]
    pub(crate) leave: Option<u32>,

    /// Run one design alone
    #[arg(long, help_heading = "Designs")]
    pub(crate) design: Option<Name>,
    /// How pushlane debounces configuration changes. The others always do as they shipped: fixed,
    /// 100 ms
    #[arg(long, value_enum, default_value_t = Wait::Fixed, help_heading = "Designs")]
    debounce: Wait,
    /// The quiet period of --debounce, 10 s at most in all. Adaptive: this while 1,000 clients or
    /// more are busy, down to a fifth of it while none is
    #[arg(long, value_name = "MS", default_value_t = 100, help_heading = "Designs")]
    quiet: u64,
    /// Whether pushlane keeps an interval between two pushes to one client
    #[arg(long, value_enum, default_value_t = Wait::None, help_heading = "Designs")]
    pace: Wait,
    /// The interval of --pace. Adaptive: this while 10,000 clients are busy, down to 100 ms while
    /// none is [default: 500, or 2500 if adaptive]
    #[arg(long, value_name = "MS", help_heading = "Designs")]
    interval: Option<u64>,
    /// Permits of v1_4 and pushlane
    #[arg(long, default_value_t = 100, help_heading = "Designs")]
    pub(crate) limit: u32,
    /// A send that takes longer closes the stream; the client reconnects and starts from
    /// everything. At least 1, or 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, help_heading = "Designs")]
    pub(crate) send_timeout: f64,
    /// Handovers under way at once in v1_1
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Designs")]
    pub(crate) walk_limit: u32,
    /// Full pushes a second in v1_1, over all clients. 10 is what it shipped with. 0: no limit
    #[arg(long, value_name = "RATE", default_value_t = 10.0, help_heading = "Designs")]
    pub(crate) walk_rate: f64,
    /// Full pushes at once in v1_1, after a quiet time
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Designs")]
    pub(crate) walk_burst: u32,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Output")]
    pub(crate) format: Format,
    /// Draw the backlog over time
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) svg: Option<PathBuf>,
    /// Draw how pushes sent and freshness trade for one another: pushlane at four paces, and 1.4.
    /// Runs pushlane once more for each
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) curve: Option<PathBuf>,
}

/// Whether something waits, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wait {
    None,
    /// Always as long
    Fixed,
    /// Longer while more clients are busy
    Adaptive,
}

const AFTER: &str = "\
What the numbers mean:
  pushes          sends begun, first answers to new streams included. A design that is held up merges
                  more and so sends fewer: compare them only beside the convergence
  nothing new     sends that brought a client nothing it was owed
  merged away     requests that reached their client as part of another
  lost            changes that clients, connected and responsive when nothing more can happen, were owed
                  and don't have
  stalled         time in which hung clients held every permit, so that nobody else was served
  convergence     from a change to the moment when the last client to which it was owed has it; a change
                  that some client never gets counts until the end of the run
  freshness       from a change to the moment when a client to which it was owed has it, over all pairs of a
                  change and a client: what users feel. Convergence is decided by the slowest client alone
  bookkeeping     real time inside the design itself, without simulation and oracle. The one number that
                  differs from run to run, and that a busy machine inflates

What they depend on:
  v1_1 loses      on --walk-rate: 10 full pushes a second, as it shipped, is harsh for 10,000 clients, who
                  wait a quarter of an hour for one push to everyone. Also on how the history ends, and so
                  on --seed and --rate: a later full push heals what was dropped before
  v1_4 stalls     on --hung against --limit: only while hung clients hold every permit. On --rate: they
                  must be met within one --send-timeout. With --send-timeout 0 it never recovers
  pushlane waits  for the slowest clients: --slow, --send-timeout
  pushlane sends  what it can't merge: it is hardly held up, so that it sends more, fresher pushes than v1_4
                  where changes come faster than v1_4 can push. --debounce and --pace trade one for the other

Exit codes: 0, or 1 if a file or stream can't be read or written, or 2 for a wrong command line or a
malformed trace.";

/// How to print the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// A value that can't be used.
#[derive(Debug, PartialEq)]
pub(crate) enum BadValue {
    Zero(&'static str),
    OutOfRange(&'static str, f64),
    TooMany { special: u64, clients: u32 },
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(flag) => write!(f, "{flag} must be at least 1"),
            Self::OutOfRange(flag, value) => write!(f, "{flag} is out of range: {value}"),
            Self::TooMany { special, clients } => {
                write!(
                    f,
                    "--hung, --slow and --leave make {special} clients, but there are {clients}"
                )
            }
        }
    }
}

impl std::error::Error for BadValue {}

impl Cli {
    /// Checks what clap can't.
    pub(crate) fn check(&self) -> Result<(), BadValue> {
        let positive = [
            ("--clients", self.clients),
            ("--limit", self.limit),
            ("--events", self.events),
            ("--walk-limit", self.walk_limit),
            ("--walk-burst", self.walk_burst),
        ];
        if let Some((flag, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(BadValue::Zero(flag));
        }
        // The bounds keep virtual time within what a clock can count.
        let ranges = [
            // And these keep a slip of the finger from filling the memory.
            ("--clients", self.clients.into(), 1.0, 1e6),
            ("--events", self.events.into(), 1.0, 1e7),
            ("--limit", self.limit.into(), 1.0, 1e6),
            ("--rate", self.rate(), 1e-3, 1e9),
            // Shorter, and a slow client is never served, but reconnects for ever.
            (
                "--send-timeout",
                self.send_timeout,
                if self.send_timeout == 0.0 { 0.0 } else { 1.0 },
                1e9,
            ),
            ("--walk-rate", self.walk_rate, 0.0, 1e9),
            ("--quiet", self.quiet as f64, 0.0, 1e7),
            ("--interval", self.interval.unwrap_or(0) as f64, 0.0, 1e7),
        ];
        for (flag, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(BadValue::OutOfRange(flag, value));
            }
        }
        let Sizes { clients, hung, slow, leave } = self.sizes();
        let special = u64::from(hung) + u64::from(slow) + u64::from(leave);
        if special > u64::from(clients) {
            return Err(BadValue::TooMany { special, clients });
        }
        Ok(())
    }

    pub(crate) fn rate(&self) -> f64 {
        // Recorded histories are long: a hundred a second makes minutes of years.
        self.rate.unwrap_or(if self.trace.is_some() { 100.0 } else { 10.0 })
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let clients = self.clients;
        let hung = self.hung.unwrap_or(clients / 20);
        let slow = self.slow.unwrap_or(clients / 500);
        let leave = self.leave.unwrap_or(clients / 50);
        Sizes { clients, hung, slow, leave }
    }

    pub(crate) fn knobs(&self) -> Knobs {
        let walk = Timing {
            semaphore: self.walk_limit as usize,
            rate: self.walk_rate,
            burst: self.walk_burst,
            ..Timing::default()
        };
        Knobs { limit: self.limit, walk, pace: self.pace(self.interval) }
    }

    pub(crate) fn quiet(&self) -> Quiet {
        let quiet = Duration::from_millis(self.quiet);
        let pushlane = match self.debounce {
            Wait::None => None,
            Wait::Fixed => Some(Stretch::fixed(quiet)),
            Wait::Adaptive => Some(Stretch::between(quiet / 5, quiet, 1_000)),
        };
        Quiet { others: Some(Stretch::fixed(Duration::from_millis(100))), pushlane }
    }

    /// The pace with another interval.
    pub(crate) fn pace(&self, interval: Option<u64>) -> Option<Pace> {
        let shortest = Duration::from_millis(100);
        let interval = |default| Duration::from_millis(interval.unwrap_or(default));
        match self.pace {
            Wait::None => None,
            Wait::Fixed => Some(Pace::new(Stretch::fixed(interval(500)))),
            Wait::Adaptive => Some(Pace::new(Stretch::between(shortest, interval(2_500), 10_000))),
        }
    }

    pub(crate) fn send_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.send_timeout)
    }

    pub(crate) fn designs(&self) -> Vec<Name> {
        self.design.map_or_else(|| Name::ALL.to_vec(), |name| vec![name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(arguments: &[&str]) -> Result<(), BadValue> {
        let all = ["storm"].iter().chain(arguments);
        Cli::try_parse_from(all).expect("clap accepts it").check()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        assert_eq!(check(&[]), Ok(()));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        assert_eq!(check(&["--clients", "0"]), Err(BadValue::Zero("--clients")));
        assert_eq!(check(&["--limit", "0"]), Err(BadValue::Zero("--limit")));
        assert!(matches!(check(&["--rate", "NaN"]), Err(BadValue::OutOfRange("--rate", _))));
        assert_eq!(check(&["--send-timeout", "0"]), Ok(()));
        assert_eq!(check(&["--send-timeout", "1"]), Ok(()));
        assert!(matches!(check(&["--send-timeout", "0.5"]), Err(BadValue::OutOfRange(..))));
        assert!(matches!(check(&["--clients", "4294967295"]), Err(BadValue::OutOfRange(..))));
        assert_eq!(check(&["--rate", "0"]), Err(BadValue::OutOfRange("--rate", 0.0)));
        assert_eq!(
            check(&["--send-timeout", "inf"]),
            Err(BadValue::OutOfRange("--send-timeout", f64::INFINITY))
        );
        let too_many = check(&["--clients", "10", "--hung", "11", "--slow", "0", "--leave", "0"]);
        assert_eq!(too_many, Err(BadValue::TooMany { special: 11, clients: 10 }));
    }

    #[test]
    fn by_default_few_clients_have_few_special_ones() {
        let cli = Cli::try_parse_from(["storm", "--clients", "7"]).unwrap();
        assert_eq!(cli.check(), Ok(()));
        assert_eq!(cli.sizes().hung, 0);
    }
}
