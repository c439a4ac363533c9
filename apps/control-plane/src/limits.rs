//! The flags that limit what clients may cost.

use clap::Args;
use pushlane::adapters::xds::{Limits, ServerBuilder};
use std::time::Duration;

/// Every limit of the server, with its unit. Defaults are the library's unless the help says why
/// not.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// Streams at once. One more is refused. The queue is made for all of them at the start
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count())]
    streams: usize,
    /// New streams a second, after a burst. 0: no limit
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    admissions: u32,
    /// New streams that may come at once before the rate counts [default: as many as --admissions]
    #[arg(long, value_name = "N")]
    admission_burst: Option<u32>,
    /// How long a new stream waits for its turn before it is refused
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    admission_wait: Duration,
    /// Resource types that a stream may subscribe to
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count())]
    types: usize,
    /// Names that a stream may subscribe to, over all types
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count())]
    subscriptions: usize,
    /// Bytes of a resource name or type URL in a request
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = count())]
    name_bytes: usize,
    /// Bytes of a request
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = count())]
    request_bytes: usize,
    /// Bytes of a response; a larger one is split. gRPC clients accept 4194304 unless told
    /// otherwise
    #[arg(long, value_name = "BYTES", default_value_t = (4 << 20) - (16 << 10), value_parser = count())]
    response_bytes: usize,
    /// Responses that are prepared at once [default: 50 for each core]
    #[arg(long, value_name = "N", value_parser = count())]
    permits: Option<usize>,
    /// Rejections and departures that are remembered, each
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    history: usize,
    /// How long a stream may stay without a first request
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    first_request: Duration,
    /// A response that is not read within this time ends its stream
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    send_deadline: Duration,
    /// A response that is neither accepted nor rejected within this time ends its stream. Envoy
    /// needs up to 15
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    ack_deadline: Duration,
    /// How long clusters, endpoints, listeners and routes wait for one another when a client does
    /// not answer
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    order_patience: Duration,

    /// Connections at once. One more replaces an idle one or is closed [default: twice --streams,
    /// at least 64]
    #[arg(long, value_name = "N", value_parser = count())]
    connections: Option<usize>,
    /// Connections at once from one address [default: three quarters of --connections]
    #[arg(long, value_name = "N", value_parser = count())]
    connections_per_peer: Option<usize>,
    /// How long a TLS handshake may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    handshake_timeout: Duration,
    /// How long a connection may take to begin with HTTP/2, after TLS
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    preface_timeout: Duration,
    /// How long a connection may take to open its first stream
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    first_stream_timeout: Duration,
    /// How often a silent connection is asked for a sign of life. 0: never
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    keepalive: Duration,
    /// How long the sign of life may take before the connection is closed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    keepalive_timeout: Duration,
    /// Age at which a connection is closed in good order, a tenth more or less. 0: never
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    max_age: Duration,
}

impl LimitFlags {
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.streams = self.streams;
        limits.types = self.types;
        limits.subscriptions = self.subscriptions;
        limits.name_bytes = self.name_bytes;
        limits.request_bytes = self.request_bytes;
        limits.response_bytes = self.response_bytes;
        limits.admission_rate = self.admissions;
        limits.admission_burst = self.admission_burst.unwrap_or(self.admissions).max(1);
        limits.admission_wait = self.admission_wait;
        limits.first_request = self.first_request;
        limits.send_deadline = self.send_deadline;
        limits.ack_deadline = self.ack_deadline;
        limits.order_patience = self.order_patience;
        limits.permits = self.permits.unwrap_or_else(|| PERMITS * cores());
        limits.history = self.history;
        limits
    }

    pub(crate) fn server(&self, server: ServerBuilder) -> ServerBuilder {
        let unless_zero = |time: Duration| Some(time).filter(|time| !time.is_zero());
        let mut server = server
            .handshake_timeout(self.handshake_timeout)
            .preface_timeout(self.preface_timeout)
            .first_stream_timeout(self.first_stream_timeout)
            .keepalive(unless_zero(self.keepalive).map(|every| (every, self.keepalive_timeout)))
            .max_connection_age(unless_zero(self.max_age));
        if let Some(most) = self.connections {
            server = server.max_connections(most);
        }
        if let Some(most) = self.connections_per_peer {
            server = server.max_connections_per_peer(most);
        }
        server
    }

    /// Memory of the queue once all of it is in use, in bytes, roughly.
    fn memory(&self) -> u64 {
        (self.streams as u64).saturating_mul(self.types as u64).saturating_mul(PLACE)
    }

    /// Whether the machine can hold as many streams. `Ok(Some)` is a warning.
    pub(crate) fn check(&self) -> Result<Option<String>, String> {
        self.fits(self.memory(), machine_memory())
    }

    fn fits(&self, needed: u64, available: Option<u64>) -> Result<Option<String>, String> {
        let takes = format!(
            "--streams {} with --types {} may take {} of memory",
            self.streams,
            self.types,
            amount(needed)
        );
        // The allocator refuses more than this on every machine.
        let available = available.unwrap_or(isize::MAX as u64);
        if needed > available {
            return Err(format!("{takes}; this machine has {}", amount(available)));
        }
        Ok((needed > WARN_ABOVE).then_some(takes))
    }
}

/// For each core. A response is prepared without waiting, so a few for each core keep it busy; the
/// others wait for their turn at the runtime with the permit in hand.
const PERMITS: usize = 50;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes of a place of the queue, with its part of the library's 128 topics. There is one for each
/// stream and type.
const PLACE: u64 = 150;
const WARN_ABOVE: u64 = 1 << 30;

fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{:.1} TB", bytes as f64 / 1e12),
    }
}

/// All memory of the machine in bytes, where the kernel tells it in a file.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// A number of things of which none would serve nobody.
pub(crate) fn count() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    |text: &str| match text.parse() {
        Ok(0) => Err("with 0 nothing would be served; expected at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number, at least 1".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    // An instant and a duration of more may be more than an instant holds.
    if seconds > MOST {
        return Err(format!("expected at most {MOST} seconds"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Thirty years.
const MOST: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        limits: LimitFlags,
    }

    fn parse(flags: &[&str]) -> Result<LimitFlags, clap::Error> {
        Command::try_parse_from([&["control-plane"], flags].concat()).map(|it| it.limits)
    }

    #[test]
    fn without_flags_the_limits_are_the_library_s() {
        let limits = parse(&[]).unwrap().limits();
        let mut library = Limits::default();
        library.permits = PERMITS * cores();
        assert_eq!(format!("{limits:?}"), format!("{library:?}"));
    }

    #[test]
    fn every_limit_has_a_flag() {
        let ours = [
            "--streams=1",
            "--types=2",
            "--subscriptions=3",
            "--name-bytes=4",
            "--request-bytes=5",
            "--response-bytes=6",
            "--admissions=7",
            "--admission-burst=8",
            "--admission-wait=9",
            "--first-request=10",
            "--send-deadline=11",
            "--ack-deadline=12",
            "--order-patience=13",
            "--permits=14",
            "--history=15",
        ];
        let limits = format!("{:?}", parse(&ours).unwrap().limits());
        let expected = [
            "streams: 1,",
            "types: 2,",
            "subscriptions: 3,",
            "name_bytes: 4,",
            "request_bytes: 5,",
            "response_bytes: 6,",
            "admission_rate: 7,",
            "admission_burst: 8,",
            "admission_wait: 9s,",
            "first_request: 10s,",
            "send_deadline: 11s,",
            "ack_deadline: 12s,",
            "order_patience: 13s,",
            "permits: 14,",
            "history: 15",
        ];
        for field in expected {
            assert!(limits.contains(field), "{field} {limits}");
        }
    }

    #[test]
    fn every_flag_names_its_unit() {
        for flag in Command::command().get_arguments() {
            let unit = flag.get_value_names().unwrap_or_default();
            assert!(["N", "BYTES", "SECONDS"].contains(&unit[0].as_str()), "{flag}");
            assert!(flag.get_help().is_some(), "{flag}");
        }
    }

    #[test]
    fn none_of_what_is_needed_is_refused() {
        for flag in ["--permits", "--streams", "--types", "--request-bytes", "--connections"] {
            let error = parse(&[flag, "0"]).unwrap_err().to_string();
            assert!(error.contains("nothing would be served"), "{flag}: {error}");
        }
        assert!(parse(&["--admissions", "0", "--max-age", "0", "--keepalive", "0"]).is_ok());
    }

    #[test]
    fn more_streams_than_memory_are_refused_with_the_amount() {
        let fits = |streams: &str, available| {
            let flags = parse(&["--streams", streams]).unwrap();
            flags.fits(flags.memory(), available)
        };
        let machine = Some(4_000_000_000);
        assert_eq!(fits("10000", machine), Ok(None));
        let warning = fits("1000000", machine).unwrap().unwrap();
        assert!(warning.contains("may take 1.2 GB"), "{warning}");
        let error = fits("10000000", machine).unwrap_err();
        assert!(error.contains("may take 12.0 GB") && error.contains("has 4.0 GB"), "{error}");
        assert!(
            fits("10000000", None).unwrap().is_some(),
            "only a warning: the machine is unknown"
        );
        assert!(fits("18446744073709551615", None).is_err(), "no overflow");
    }
}
