//! One design through one history.

use crate::clock::{ClientId, Event};
use crate::designs::{Design, Knobs, Name, design};
use crate::feed::{Feed, Made};
use crate::history::History;
use crate::oracle::Oracle;
use crate::population::Population;
use crate::report::{Outcome, Sample};
use crate::request::live_bytes;
use crate::world::World;
use pushlane::debounce::Stretch;
use std::time::Duration;

/// How often the backlog is looked at, besides after every request.
const TICK: Duration = Duration::from_millis(250);
/// The quiet period after the last change, at least. A run ends when nothing more can happen.
const QUIET: Duration = Duration::from_secs(30);

/// Everything that is the same for all designs.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) history: History,
    pub(crate) population: Population,
    pub(crate) quiet: Quiet,
    pub(crate) send_timeout: Duration,
    pub(crate) knobs: Knobs,
}

/// How configuration changes are debounced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    /// In the designs of 1.1 and 1.4.
    pub(crate) others: Option<Stretch>,
    /// In pushlane.
    pub(crate) pushlane: Option<Stretch>,
}

/// Runs a design; `progress` is called after each change.
pub(crate) fn run(scenario: &Scenario, name: Name, progress: &mut dyn FnMut()) -> Outcome {
    run_with(scenario, name.text(), |world| design(name, scenario.knobs, world), progress)
}

/// Runs the design that `make` makes, so that a test can bring a broken one.
pub(crate) fn run_with<'a>(
    scenario: &'a Scenario,
    name: &'static str,
    make: impl FnOnce(&World<'a>) -> Box<dyn Design + 'a>,
    progress: &mut dyn FnMut(),
) -> Outcome {
    let Scenario { history, population, quiet, send_timeout, .. } = scenario;
    let oracle = Oracle::new(history, population);
    let mut world = World::new(history, population, oracle, *send_timeout);
    let quiet = if name == Name::Pushlane.text() { quiet.pushlane } else { quiet.others };
    let mut feed = Feed::new(history, quiet);
    let mut alarm = Alarm::default();
    schedule(scenario, &mut world);
    let before = live_bytes();
    let mut design = make(&world);
    let quiet_until = history.span() + QUIET;
    let mut watch = Watch::default();
    while let Some((at, event)) = world.clock.next() {
        watch.pass(at - world.now);
        world.now = at;
        if let Some(notice) = world.happen(event) {
            design.notice(notice, &mut world);
        }
        let mut publish = |made: Made, world: &mut World<'a>, design: &mut Box<dyn Design + 'a>| {
            world.oracle.made(made.number, &made.changes);
            design.publish(made.request, world);
            watch.look(at, &**design, before);
        };
        if let Event::Change(number) = event {
            if let Some(made) = feed.change(number, at) {
                publish(made, &mut world, &mut design);
            }
            progress();
        }
        if feed.next_due(usize::MAX).is_some() {
            let busy = design.busy();
            alarm.rung(at, event);
            let happened = world.oracle.happened();
            while let Some(made) = feed.take_due(at, busy, happened) {
                publish(made, &mut world, &mut design);
            }
            alarm.set(feed.next_due(design.busy()), &mut world);
        }
        watch.stalled = design.is_stalled(&world);
        if event == Event::Tick {
            watch.look(at, &*design, before);
        }
        if event == Event::Tick && at < quiet_until {
            world.clock.schedule(at + TICK, Event::Tick);
        }
    }
    let end = world.now.max(quiet_until);
    watch.pass(end - world.now);
    let verdict = world.oracle.verdict(end);
    Outcome {
        name,
        counts: world.counts,
        verdict,
        stalled: watch.stalled_for,
        samples: watch.samples,
        bookkeeping: world.cpu.total(),
        events: history.changes.len(),
    }
}

/// The next event at which the feed will be asked for what is due.
#[derive(Debug, Default)]
struct Alarm(Option<Duration>);

impl Alarm {
    fn rung(&mut self, now: Duration, event: Event) {
        if event == Event::Due && self.0 == Some(now) {
            self.0 = None;
        }
    }

    fn set(&mut self, due: Option<Duration>, world: &mut World<'_>) {
        if let Some(due) = due.filter(|&due| self.0.is_none_or(|set| due < set)) {
            world.clock.schedule(due, Event::Due);
            self.0 = Some(due);
        }
    }
}

/// What is looked at from outside.
#[derive(Debug, Default)]
struct Watch {
    stalled: bool,
    stalled_for: Duration,
    samples: Vec<Sample>,
}

impl Watch {
    fn look(&mut self, at: Duration, design: &dyn Design, before: isize) {
        let requests = design.backlog();
        let bytes = (live_bytes() - before) as usize + requests * design.entry_bytes();
        self.samples.push(Sample { at, requests, bytes });
    }

    fn pass(&mut self, time: Duration) {
        if self.stalled {
            self.stalled_for += time;
        }
    }
}

fn schedule(scenario: &Scenario, world: &mut World<'_>) {
    // At the same time, a change comes before the request that is made of it.
    for (number, change) in scenario.history.changes.iter().enumerate() {
        world.clock.schedule(change.at, Event::Change(number as u32));
    }
    world.clock.schedule(scenario.population.hang_at, Event::Hang);
    for (number, client) in scenario.population.clients.iter().enumerate() {
        if let Some((leaves, returns)) = client.absence {
            world.clock.schedule(leaves, Event::Leave(number as ClientId));
            world.clock.schedule(returns, Event::Return(number as ClientId));
        }
    }
    world.clock.schedule(Duration::ZERO, Event::Tick);
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
