//! What is shown while it runs: one line that changes on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tally::Tally;

const ON_TERMINAL: Duration = Duration::from_millis(250);
const ELSEWHERE: Duration = Duration::from_secs(10);

pub(crate) struct Status<'a> {
    tally: &'a Tally,
    whole: Duration,
    begun: Instant,
    round: Mutex<(u64, &'static str)>,
    end: Mutex<Option<Sender<()>>>,
    ended: Mutex<Receiver<()>>,
}

impl<'a> Status<'a> {
    pub(crate) fn new(tally: &'a Tally, whole: Duration) -> Self {
        let (end, ended) = channel();
        Status {
            tally,
            whole,
            begun: Instant::now(),
            round: Mutex::new((0, "")),
            end: Mutex::new(Some(end)),
            ended: Mutex::new(ended),
        }
    }

    pub(crate) fn round(&self, round: u64, name: &'static str) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = (round, name);
    }

    /// [`show`](Status::show) returns when this is dropped.
    pub(crate) fn ends_with_this(&self) -> Option<Sender<()>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn show(&self) {
        let terminal = stdout().is_terminal();
        let pause = if terminal { ON_TERMINAL } else { ELSEWHERE };
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = (Instant::now(), 0);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(pause) {
            let now = (Instant::now(), self.tally.total());
            let rate = (now.1 - before.1) as f64 / (now.0 - before.0).as_secs_f64() / 1e6;
            before = now;
            let line = self.line(now.1, rate);
            // A closed pipe is no reason to stop soaking.
            let _ = if terminal {
                write!(stdout(), "\r\x1b[2K{line}").and_then(|()| stdout().flush())
            } else {
                writeln!(stdout(), "{line}")
            };
        }
        if terminal {
            let _ = write!(stdout(), "\r\x1b[2K");
        }
    }

    fn line(&self, total: u64, rate: f64) -> String {
        let (round, name) = *self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, whole) = (self.begun.elapsed().as_secs(), self.whole.as_secs());
        let millions = total as f64 / 1e6;
        format!(
            "{now:>5} of {whole} s  {millions:>9.1} million operations  {rate:>6.2} million/s  \
             round {round}: {name}"
        )
    }
}
