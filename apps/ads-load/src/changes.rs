//! The changes, the same for every design: when, and of what.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cli::Cli;
use crate::world::{EVERYONE, Service, now, service};

/// Everything that is served.
pub(crate) struct Changes {
    services: Vec<Service>,
    everyone: Service,
    dice: u64,
}

impl Changes {
    pub(crate) fn new(cli: &Cli) -> Self {
        let named = |name: String| Service { name, ..Service::default() };
        Changes {
            services: (0..cli.services.max(1)).map(|number| named(service(number))).collect(),
            everyone: named(EVERYONE.into()),
            dice: 1,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().chain([&self.everyone])
    }

    fn next(&mut self, number: u64, due: u64, cli: &Cli) -> &Service {
        let for_all = cli.everyone > 0 && number % cli.everyone == cli.everyone - 1;
        // Knuth's linear congruential generator; its high bits are good enough to choose by.
        self.dice = self.dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let count = self.services.len() as u64;
        let at = ((self.dice >> 33) % count) as usize;
        let changed = if for_all { &mut self.everyone } else { &mut self.services[at] };
        changed.change(due);
        changed
    }

    /// Makes changes at the rate, each through `apply`, and late ones at once. The runtime's timers
    /// are up to a millisecond late, so this blocks the calling thread.
    pub(crate) fn run(&mut self, cli: &Cli, mut apply: impl FnMut(&Service)) {
        let (start, began) = (Instant::now(), now());
        for number in 0..cli.rate * cli.seconds {
            let due = Duration::from_secs_f64(number as f64 / cli.rate as f64);
            sleep((start + due).saturating_duration_since(Instant::now()));
            apply(self.next(number, began + due.as_micros() as u64, cli));
        }
    }
}
