//! One design through one history.

use crate::clock::{ClientId, Event};
use crate::designs::{Design, Knobs, Name, design};
use crate::feed::Feed;
use crate::history::History;
use crate::oracle::Oracle;
use crate::population::Population;
use crate::report::{Outcome, Sample};
use crate::request::live_bytes;
use crate::world::World;
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
    pub(crate) feed: Feed,
    pub(crate) send_timeout: Duration,
    pub(crate) knobs: Knobs,
}

/// Runs a design; `progress` is told after each request.
pub(crate) fn run(scenario: &Scenario, name: Name, progress: &mut dyn FnMut()) -> Outcome {
    run_with(scenario, name.text(), |world| design(name, scenario.knobs, world), progress)
}

/// Runs whatever design is made, so that a test can bring a broken one.
pub(crate) fn run_with<'a>(
    scenario: &'a Scenario,
    name: &'static str,
    make: impl FnOnce(&World<'a>) -> Box<dyn Design + 'a>,
    progress: &mut dyn FnMut(),
) -> Outcome {
    let Scenario { history, population, feed, send_timeout, .. } = scenario;
    let mut world =
        World::new(history, population, Oracle::new(history, population, feed), *send_timeout);
    schedule(scenario, &mut world);
    let before = live_bytes();
    let mut design = make(&world);
    let quiet_until = history.span() + QUIET;
    let mut watch = Watch::default();
    while let Some((at, event)) = world.clock.next() {
        watch.pass(at - world.now);
        world.now = at;
        if let Event::Publish(number) = event {
            let request = feed.request(number);
            design.publish(request, &mut world);
            progress();
        }
        if let Some(notice) = world.happen(event) {
            design.notice(notice, &mut world);
        }
        watch.stalled = design.is_stalled(&world);
        if let Event::Publish(_) | Event::Tick = event {
            let requests = design.backlog();
            let bytes = (live_bytes() - before) as usize + requests * design.entry_bytes();
            watch.samples.push(Sample { at, requests, bytes });
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

/// What is looked at from outside.
#[derive(Debug, Default)]
struct Watch {
    stalled: bool,
    stalled_for: Duration,
    samples: Vec<Sample>,
}

impl Watch {
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
    for (number, fed) in scenario.feed.requests.iter().enumerate() {
        world.clock.schedule(fed.at, Event::Publish(number as u32));
    }
    world.clock.schedule(Duration::ZERO, Event::Tick);
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
