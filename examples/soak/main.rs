//! `cargo run --release --example soak -- --minutes 10`: everything at once, at random, for as long
//! as you like.
//!
//! Rounds of a second or so, each on a fresh queue: every backlog, swept and in the order of
//! arrival, in turn. In each round, several threads publish, lease, complete, fail, come and go; an
//! oracle knows what has to arrive. Nothing may be lost, nothing may converge early or never, a
//! client has one lease at a time, permits and places are conserved. The first violation ends the
//! soak with exit code 1, and says how to begin with that round again. (The draws are those of the
//! seed; how the threads interleave is not.)
//!
//! In reading order:
//!
//! | module | what |
//! | --- | --- |
//! | `kinds` | the queues under test |
//! | `oracle` | what was published, and what has arrived |
//! | `worker`, `population` | what each thread does |
//! | `round` | the threads together, and the reckoning |
//! | `tally`, `verdict`, `status` | what is counted, found wrong, and shown |

mod dice;
mod kinds;
mod oracle;
mod population;
mod round;
mod status;
mod tally;
mod verdict;
mod worker;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use kinds::QUEUES;
use round::Round;
use status::Status;
use tally::Tally;
use verdict::Verdict;

/// Random operations from several threads, and an oracle.
#[derive(Parser)]
struct Cli {
    /// For how long; a fraction will do.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Threads, each of which does everything.
    #[arg(long, default_value_t = thread::available_parallelism().map_or(2, |n| n.get().max(2)))]
    threads: usize,
    /// Where the draws begin. The n-th round has the n-th seed after this one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Long enough to lose something, short enough to find out soon.
const LONGEST_ROUND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Ok(whole) = Duration::try_from_secs_f64(cli.minutes * 60.0) else {
        eprintln!("--minutes: not a length of time");
        return ExitCode::from(2);
    };
    // However short the soak, each queue has its round.
    let length = (whole / QUEUES.len() as u32).min(LONGEST_ROUND);
    let (tally, verdict, begun) = (Tally::default(), Verdict::default(), Instant::now());
    let mut rounds = 0;
    println!("{} threads, seed {}, {:.1} minutes", cli.threads.max(1), cli.seed, cli.minutes);
    let status = Status::new(&tally, whole);
    thread::scope(|scope| {
        scope.spawn(|| status.show());
        let _end = status.ends_with_this();
        while begun.elapsed() < whole && !verdict.is_bad() {
            let seed = cli.seed.wrapping_add(rounds);
            let (name, run) = QUEUES[(seed % QUEUES.len() as u64) as usize];
            status.round(rounds, name);
            let round = Round { name, seed, threads: cli.threads.max(1), length };
            run(&round, &tally, &verdict);
            rounds += 1;
        }
    });
    println!("{tally}");
    let (seconds, total) = (begun.elapsed().as_secs_f64(), tally.total());
    let rate = total as f64 / seconds / 1e6;
    println!("{total} operations in {rounds} rounds, {seconds:.1} s, {rate:.2} million a second");
    match verdict.bad() {
        None => {
            println!("no violation");
            ExitCode::SUCCESS
        }
        Some(details) => {
            println!("VIOLATION: {details}");
            ExitCode::FAILURE
        }
    }
}
