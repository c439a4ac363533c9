//! The three questions: how fast is a change everywhere, what if ten replicas die, and what does a
//! rolling restart cost?

use crate::fleet::{self, Fate, Move, Story};
use crate::histogram::Histogram;
use crate::replica::{self, Outcome, Publish, Script};
use crate::setting::{SECOND, Setting};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// All replicas' outcomes, put together.
#[derive(Debug, Default)]
pub(crate) struct Result {
    /// By change: when it was written, and how long until the slowest replica's clients had it.
    pub(crate) converged: Vec<(u64, Option<u64>)>,
    pub(crate) delivered: Histogram,
    pub(crate) welcomed: Histogram,
    pub(crate) welcomes: Vec<u64>,
    pub(crate) responses: u64,
    /// The part of the cores' time that responses took.
    pub(crate) busy: f64,
}

impl Result {
    /// The median and the longest of the convergence times of changes between two times.
    pub(crate) fn convergence(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let written = self.converged.iter().filter(|(at, _)| (from..to).contains(at));
        let mut times = written.map(|(_, took)| *took).collect::<Option<Vec<_>>>()?;
        times.sort_unstable();
        Some((*times.get(times.len() / 2)?, *times.last()?))
    }
}

/// Runs every replica, a few at a time, each by itself: they have nothing to do with one another
/// but through etcd, and through clients that move, which the story has settled.
fn run(
    setting: &Setting,
    groups: usize,
    publishes: &[Publish],
    story: Option<&Story>,
    end: u64,
) -> Result {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..setting.threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= setting.replicas {
                        return;
                    }
                    let first = (number * setting.clients) as u32;
                    let moves: &[Move] = story.map_or(&[], |story| &story.moves[number]);
                    let first = first..first + setting.clients as u32;
                    let script = Script { number, groups, publishes, first, moves, end };
                    let outcome = replica::run(setting, &script);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    put_together(setting, publishes, &outcomes)
}

fn put_together(setting: &Setting, publishes: &[Publish], outcomes: &[Outcome]) -> Result {
    let mut all = Result::default();
    let (mut busy, mut time) = (0, 0);
    for outcome in outcomes {
        all.delivered.merge(&outcome.delivered);
        all.welcomed.merge(&outcome.welcomed);
        all.responses += outcome.responses;
        let seconds = outcome.welcomes.len().max(all.welcomes.len());
        all.welcomes.resize(seconds, 0);
        all.welcomes.iter_mut().zip(&outcome.welcomes).for_each(|(all, its)| *all += its);
        busy += outcome.busy;
        time += outcome.end * setting.cores as u64;
    }
    all.busy = busy as f64 / time.max(1) as f64;
    all.converged = publishes
        .iter()
        .enumerate()
        .map(|(change, publish)| {
            let each = outcomes.iter().map(|it| it.converged.get(change).copied().flatten());
            let last = each.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
            (publish.at, last.map(|last| last - publish.at))
        })
        .collect();
    all
}

/// One rate of changes.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) rate: f64,
    /// The changes that are looked at: their convergence, median and longest.
    pub(crate) converged: (u64, u64),
    pub(crate) result: Result,
    /// Responses for each client and change that concerned it.
    pub(crate) merged: f64,
}

/// Changes at a rate, each for all clients or for one group of them.
pub(crate) fn rate(setting: &Setting, rate: f64, groups: usize, long: u64) -> Rate {
    let length = (long * SECOND).max((2.0 / rate * SECOND as f64) as u64);
    let count = (length as f64 / SECOND as f64 * rate) as usize;
    let publishes: Vec<_> = (0..count)
        .map(|at| Publish {
            at: SECOND + (at as f64 / rate * SECOND as f64) as u64,
            // Neighbouring changes concern groups far apart.
            group: (groups > 1).then_some(at * 37 % groups),
        })
        .collect();
    let end = length * 4 + 60 * SECOND;
    let result = run(setting, groups, &publishes, None, end);
    let (from, to) = (SECOND + length / 2, SECOND + length);
    let converged = result.convergence(from, to).expect("all converge before the end");
    let concerned = (count * setting.all_clients() / groups) as f64;
    Rate { rate, converged, merged: result.responses as f64 / concerned, result }
}

/// A story, and what its replicas did.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) story: Story,
    pub(crate) result: Result,
    pub(crate) end: u64,
}

fn told(setting: &Setting, fates: &[(u64, usize, Fate)], every: u64, end: u64) -> Told {
    let story = fleet::story(setting, fates, end);
    let publishes: Vec<_> =
        (1..).map(|at| at * every).take_while(|at| *at < end - 30 * SECOND).collect();
    let publishes: Vec<_> = publishes.into_iter().map(|at| Publish { at, group: None }).collect();
    let result = run(setting, 1, &publishes, Some(&story), end);
    Told { story, result, end }
}

/// When the replicas die.
pub(crate) const LOSS: u64 = 20 * SECOND;

/// A tenth of the replicas die at once, and come back, empty, after a minute.
pub(crate) fn loss(setting: &Setting) -> Told {
    let dead = 0..(setting.replicas / 10).max(1);
    let die = dead.clone().map(|at| (LOSS, at, Fate::Die));
    let back = dead.map(|at| (LOSS + 60 * SECOND, at, Fate::Return));
    let fates: Vec<_> = die.chain(back).collect();
    told(setting, &fates, 20 * SECOND, 300 * SECOND)
}

/// All replicas are restarted, a tenth at a time.
pub(crate) fn rolling(setting: &Setting) -> Told {
    let at_once = (setting.replicas / 10).max(1);
    let round = setting.drain + setting.away;
    let begin = LOSS;
    let mut fates = Vec::new();
    for replica in 0..setting.replicas {
        let from = begin + (replica / at_once) as u64 * round;
        fates.push((from, replica, Fate::Drain));
        fates.push((from + round, replica, Fate::Return));
    }
    // Replicas return before the next ones begin.
    fates.sort_by_key(|(at, _, fate)| (*at, matches!(fate, Fate::Drain)));
    let rounds = setting.replicas.div_ceil(at_once) as u64;
    told(setting, &fates, 50 * SECOND, begin + (rounds + 2) * round + 30 * SECOND)
}
