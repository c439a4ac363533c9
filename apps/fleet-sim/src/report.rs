//! What is printed and drawn.

use crate::Question;
use crate::fleet::Sample;
use crate::plot::{Panel, Points};
use crate::scenario::{self, LOSS, Rate, Told};
use crate::setting::Setting;

/// Changes a second, for everyone and for one group of a hundred.
const FOR_ALL: [f64; 6] = [0.1, 0.2, 0.5, 1.0, 3.0, 10.0];
const FOR_SOME: [f64; 6] = [1.0, 10.0, 20.0, 50.0, 100.0, 1_000.0];
const GROUPS: usize = 100;

pub(crate) fn setting(setting: &Setting) {
    println!(
        "{} replicas with {} clients each; {} cores each, {} us a response\n",
        setting.replicas, setting.clients, setting.cores, setting.response
    );
}

/// Prints what came out; returns the plot and the name of its file.
pub(crate) fn answer(
    question: Question,
    setting: &Setting,
    small: bool,
) -> (&'static str, Vec<Panel>) {
    match question {
        Question::Rates => ("rates.svg", rates(setting, if small { 2 } else { 6 })),
        Question::Loss => ("loss.svg", loss(setting, &scenario::loss(setting))),
        Question::Rolling => ("rolling.svg", rolling(setting, &scenario::rolling(setting))),
    }
}

fn ms(time: u64) -> f64 {
    time as f64 / 1e3
}

fn seconds(time: u64) -> f64 {
    time as f64 / 1e6
}

fn rates(setting: &Setting, long: u64) -> Vec<Panel> {
    println!(
        "changes/s  for   delivered ms: p50   p99   all have it, ms: median  longest  \
         responses/change  cores busy"
    );
    let mut lines = Vec::new();
    for (whom, groups, rates) in [("all", 1, FOR_ALL), ("1%", GROUPS, FOR_SOME)] {
        let measured = rates.map(|rate| {
            let it = scenario::rate(setting, rate, groups, long);
            let [p50, p99] = [0.5, 0.99].map(|part| ms(it.result.delivered.quantile(part)));
            let (median, longest) = it.converged;
            println!(
                "{:>9}  {whom:<5}{p50:>17.0}{p99:>6.0}{:>25.0}{:>9.0}{:>18.2}{:>11.0} %",
                it.rate,
                ms(median),
                ms(longest),
                it.merged,
                it.result.busy * 100.0
            );
            it
        });
        let line = |of: &dyn Fn(&Rate) -> u64| -> Points {
            measured.iter().map(|it| (it.rate, ms(of(it)))).collect()
        };
        let median = line(&|it| it.result.delivered.quantile(0.5));
        lines.push((format!("for {whom}: half of the clients"), median));
        lines.push((format!("for {whom}: all clients"), line(&|it| it.converged.0)));
    }
    println!();
    let title = "how long until a change has been acknowledged, ms".into();
    vec![Panel { title, x: "changes a second", lines, logarithmic: true }]
}

fn over_time(told: &Told, of: impl Fn(&Sample) -> usize) -> Points {
    told.story.samples.iter().map(|sample| (seconds(sample.at), of(sample) as f64)).collect()
}

fn panels(told: &Told) -> Vec<Panel> {
    let panel =
        |title: &str, lines| Panel { title: title.into(), x: "s", lines, logarithmic: false };
    let welcomes = told.result.welcomes.iter().enumerate();
    let welcomes = welcomes.map(|(second, count)| (second as f64, *count as f64)).collect();
    let away = over_time(told, |sample| sample.away);
    let most = over_time(told, |sample| sample.most);
    let least = over_time(told, |sample| sample.least);
    let converged = told.result.converged.iter();
    let converged =
        converged.filter_map(|(at, took)| Some((seconds(*at), seconds((*took)?)))).collect();
    vec![
        panel(
            "clients without a stream, and clients served anew each second",
            vec![("without a stream".into(), away), ("served anew".into(), welcomes)],
        ),
        panel(
            "clients of a replica",
            vec![("the fullest".into(), most), ("the emptiest".into(), least)],
        ),
        panel(
            "seconds until all clients that were connected had a change, by when it was written",
            vec![("a change for all".into(), converged)],
        ),
    ]
}

/// How long after `since` no more clients were away than before.
fn away_until(told: &Told, since: u64) -> Option<u64> {
    let samples = &told.story.samples;
    let usual = samples.iter().filter(|it| it.at < since).map(|it| it.away).max()?;
    let after = samples.iter().find(|it| it.at > since && it.away <= usual)?;
    Some(after.at - since)
}

fn summary(told: &Told) {
    let longest = told.result.converged.iter().filter_map(|(_, took)| *took).max().unwrap_or(0);
    let open = told.result.converged.iter().filter(|(_, took)| took.is_none()).count();
    let last = told.story.samples.last().copied();
    let away = told.story.samples.iter().map(|it| it.away).max().unwrap_or(0);
    println!("  at most {away} clients had no stream at once, one of them for {:.1} s", {
        seconds(told.story.longest)
    });
    println!(
        "  attempts refused {}, streams ended to keep to the share {}",
        { told.story.refused },
        told.story.shed
    );
    println!(
        "  a newcomer was served after p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms",
        ms(told.result.welcomed.quantile(0.5)),
        ms(told.result.welcomed.quantile(0.99)),
        ms(told.result.welcomed.quantile(1.0))
    );
    println!("  a change for all took at most {:.1} s; {open} were not acknowledged in time", {
        seconds(longest)
    });
    if let Some(last) = last {
        println!("  in the end the fullest replica had {}, the emptiest {}", last.most, last.least);
    }
    println!(
        "  cores busy {:.0} %; {:.0} s simulated\n",
        told.result.busy * 100.0,
        seconds(told.end)
    );
}

fn loss(setting: &Setting, told: &Told) -> Vec<Panel> {
    let dead = (setting.replicas / 10).max(1);
    println!("{dead} replicas die at {:.0} s, and return after 60 s", seconds(LOSS));
    if let Some(took) = away_until(told, LOSS) {
        println!("  after {:.0} s all clients had a stream again", seconds(took));
    }
    summary(told);
    panels(told)
}

fn rolling(setting: &Setting, told: &Told) -> Vec<Panel> {
    let at_once = (setting.replicas / 10).max(1);
    println!(
        "all replicas are restarted, {at_once} at a time; each ends its streams over {:.0} s",
        seconds(setting.drain)
    );
    summary(told);
    panels(told)
}
