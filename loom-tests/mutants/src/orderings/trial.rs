//! Runs the models on one mutant after another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::record::{self, Record};
use super::scan::without_comments;
use super::table;
use super::weaken::{self, CHOSEN, REACHED, Weakened};
use crate::workshop::{Workshop, repository};
use crate::{Model, Verdict};

/// Sources that the models don't contain: loom can't see into what they are built on.
pub const UNMODELLED: [&str; 1] = ["ready/static_fifo.rs"];

/// Where the result of the last full run is.
pub const PAGE: &str = "loom-tests/MUTANTS.md";

/// All mutants, in one build.
pub struct Trial {
    pub mutants: Vec<Weakened>,
    workshop: Workshop,
    executable: PathBuf,
    /// The quickest first.
    models: Vec<Timed>,
    slowest: Duration,
    /// How many models there are that take longer than any mutant has time for.
    pub slow: usize,
    /// Whether nothing was known when it began.
    pub fresh: bool,
    record: Mutex<Record>,
    /// For each module of models, a number that changes with what its verdicts depend on.
    fingerprints: HashMap<String, String>,
    /// Which model noticed which mutant when the page was written: likely to do so again.
    killers: HashMap<String, String>,
}

/// A model that passes while nothing is weaker.
struct Timed {
    model: Model,
    took: Duration,
    /// The mutants whose operations it reaches.
    reaches: HashSet<usize>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Trial {
    /// Builds the mutants at `place`, and runs every model once without any, for as long as
    /// `slowest` and what a mutant's own models may take beyond it.
    pub fn begin(place: &Path, slowest: Duration) -> Outcome<Trial> {
        let began = Instant::now();
        let (mutants, texts) = instrumented()?;
        let workshop = Workshop::open(place, &texts)?;
        let mut shared: Vec<String> = texts.into_values().collect();
        for folder in ["loom-tests/tests/models/model", "loom-tests/stand-ins", "src"] {
            read_all(&repository().join(folder), &mut shared)?;
        }
        let mut fingerprints = HashMap::new();
        for entry in fs::read_dir(repository().join("loom-tests/tests/models"))? {
            let path = entry?.path();
            if let Some(module) = path.extension().and(path.file_stem()) {
                let test = without_comments(&fs::read_to_string(&path)?);
                let all = shared.iter().map(String::as_str).chain([test.as_str()]);
                fingerprints
                    .insert(module.to_string_lossy().into_owned(), record::fingerprint(all));
            }
        }
        let executable = workshop.build()??;
        println!("compiled in {} s", began.elapsed().as_secs());
        let record = Record::open(place.join("verdicts.tsv"))?;
        let killers = table::killers(&fs::read_to_string(repository().join(PAGE))?);
        let mut trial = Trial {
            mutants,
            workshop,
            executable,
            models: Vec::new(),
            slowest,
            slow: 0,
            fresh: record.is_empty(),
            record: Mutex::new(record),
            fingerprints,
            killers,
        };
        trial.time_models(place)?;
        Ok(trial)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time_models(&mut self, place: &Path) -> Outcome<()> {
        let models: Vec<Model> = tests(&self.executable)?.into_iter().map(Model).collect();
        let timed = Mutex::new(Vec::new());
        in_parallel(models.len(), |at| {
            let reached = place.join(format!("reached-{at}"));
            if let Some(model) = self.time_model(&models[at], &reached)? {
                timed.lock().unwrap_or_else(PoisonError::into_inner).push(model);
            }
            Ok(())
        })?;
        self.models = timed.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.models.sort_by_key(|timed| timed.took);
        self.slow = models.len() - self.models.len();
        Ok(())
    }

    /// `None`: it takes too long for any mutant.
    fn time_model(&self, model: &Model, reached: &Path) -> Outcome<Option<Timed>> {
        // A model that is known to be needed is given more time, for slow and busy machines.
        let needed = self.killers.values().any(|killer| *killer == model.0);
        let patience = self.slowest * ABOUT_IT * if needed { 10 } else { 1 };
        let key = format!("{} model {}", self.fingerprints[model.module()], model.0);
        let known = self.record().get(&key).map(str::to_owned);
        let line = match known {
            // It took too long, and is given more time now.
            Some(line) if line.split_once('\t').is_some() || too_slow(&line, patience) => line,
            _ => {
                let _ = fs::remove_file(reached);
                let environment = [(REACHED, OsString::from(reached))];
                let (verdict, took) =
                    self.workshop.run_one(&self.executable, model, patience, &environment)?;
                let numbers = fs::read_to_string(reached).unwrap_or_default();
                let _ = fs::remove_file(reached);
                let line = match verdict {
                    Verdict::Survived => {
                        let numbers: Vec<&str> = numbers.lines().collect();
                        format!("{}\t{}", took.as_millis(), numbers.join(","))
                    }
                    Verdict::Hung { .. } => patience.as_millis().to_string(),
                    verdict => {
                        return Err(format!("{model:?} without any mutant: {verdict:?}").into());
                    }
                };
                self.record().put(&key, &line)?;
                line
            }
        };
        let Some((took, numbers)) = line.split_once('\t') else { return Ok(None) };
        Ok(Some(Timed {
            model: model.clone(),
            took: Duration::from_millis(took.parse()?),
            reaches: numbers.split(',').filter_map(|number| number.parse().ok()).collect(),
        }))
    }

    /// How many models there are that may be run, and how long they take together.
    pub fn models(&self) -> (usize, Duration) {
        (self.models.len(), self.models.iter().map(|timed| timed.took).sum())
    }

    /// The mutant in words, which outlive its number.
    fn words(&self, number: usize) -> String {
        self.mutants[number].words()
    }

    /// Where the record has the verdict of one model on a mutant.
    fn key(&self, model: &Model, words: &str) -> String {
        format!("{} {} {words}", self.fingerprints[model.module()], model.0)
    }

    /// The models that a mutant is to meet, in order. Left out are those that do not reach it, and
    /// those that take longer than `slowest`: ten times as long if they are about it.
    fn models_for(&self, number: usize) -> Vec<(Model, Duration)> {
        let mutant = &self.mutants[number];
        // First the model that noticed it in older sources, then the models about its file.
        let words = self.words(number);
        let before = self.record().get(&format!("killer {words}")).map(str::to_owned);
        let before = before.or_else(|| self.killers.get(&words).cloned());
        let noticed = |timed: &Timed| Some(&timed.model.0) == before.as_ref();
        let mut models: Vec<&Timed> = self
            .models
            .iter()
            .filter(|timed| timed.reaches.contains(&number))
            .filter(|timed| {
                let patience = if is_about(&timed.model, mutant) { ABOUT_IT } else { 1 };
                noticed(timed) || timed.took <= self.slowest.saturating_mul(patience)
            })
            .collect();
        models.sort_by_key(|timed| {
            (!noticed(timed), timed.took > self.slowest || !is_about(&timed.model, mutant))
        });
        models.into_iter().map(|timed| (timed.model.clone(), timed.took)).collect()
    }

    /// The verdict on a mutant, if it is known already.
    pub fn known(&self, number: usize) -> Option<Verdict> {
        let words = self.words(number);
        let models = self.models_for(number);
        let record = self.record();
        let mut sum = Some(Verdict::Survived);
        for (model, _) in models {
            match record.get(&self.key(&model, &words)).and_then(record::verdict) {
                Some(Verdict::Survived) => {}
                Some(hung @ Verdict::Hung { .. }) => sum = sum.map(|_| hung),
                Some(other) => return Some(other),
                None => sum = None,
            }
        }
        sum
    }

    /// Runs the models that reach the mutant's operation, the quickest first, until one fails.
    /// `None`: there is no model that reaches it.
    pub fn run(&self, number: usize) -> Outcome<Option<Verdict>> {
        let models = self.models_for(number);
        if models.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.known(number) {
            return Ok(Some(known));
        }
        let words = self.words(number);
        let mut sum = Verdict::Survived;
        for (model, took) in models {
            let key = self.key(&model, &words);
            let known = self.record().get(&key).and_then(record::verdict);
            let verdict = match known {
                Some(known) => known,
                None => {
                    let patience = Duration::from_secs(10) + 8 * took;
                    let environment = [(CHOSEN, OsString::from(number.to_string()))];
                    let (verdict, _) =
                        self.workshop.run_one(&self.executable, &model, patience, &environment)?;
                    self.record().put(&key, &record::line(&verdict))?;
                    verdict
                }
            };
            match verdict {
                Verdict::Survived => {}
                // More to explore, perhaps: another model may say it with certainty.
                hung @ Verdict::Hung { .. } => sum = hung,
                other => {
                    self.record().put(&format!("killer {words}"), &model.0)?;
                    return Ok(Some(other));
                }
            }
        }
        Ok(Some(sum))
    }
}

/// Whether a model was seen to take longer than this.
fn too_slow(line: &str, patience: Duration) -> bool {
    line.parse::<u64>().is_ok_and(|gave_up| Duration::from_millis(gave_up) >= patience)
}

/// Calls `job` for each of `0..jobs`, as many at once as there are processors. Models have one
/// thread each.
pub fn in_parallel(jobs: usize, job: impl Fn(usize) -> Outcome<()> + Sync) -> Outcome<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            if at >= jobs {
                return Ok(());
            }
            job(at)?;
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(|worker| worker.join());
        ended.try_for_each(|outcome| outcome.unwrap_or(Err("a worker panicked".into())))
    })
}

/// How many times as long as others a model may take that is about what is mutated.
const ABOUT_IT: u32 = 10;

/// The models of a file, where it has some of its own: by module.
const ABOUT: [(&str, &[&str]); 14] = [
    ("backlog/bits.rs", &["backlogs", "visible"]),
    ("backlog/journal.rs", &["journal", "visible"]),
    ("bank.rs", &["visible", "one_at_a_time", "nothing_lost"]),
    ("convergence.rs", &["barriers", "convergence", "closing", "draining"]),
    ("fan_out.rs", &["fan_out"]),
    ("limiter.rs", &["permits_conserved", "signals"]),
    ("queue/clients.rs", &["registering", "stale_keys"]),
    ("queue/expand.rs", &["fan_out"]),
    ("ready/fifo.rs", &["ready_sets", "bounded"]),
    ("ready/lane.rs", &["ready_sets", "nobody_starves"]),
    ("ready/sweep.rs", &["ready_sets", "bounded", "vacancies"]),
    ("registry.rs", &["loose_cells", "registering", "stale_keys", "lease_ends_once", "vacancies"]),
    ("slot.rs", &["one_at_a_time"]),
    ("topics.rs", &["topics", "neighbours", "stale_keys"]),
];

fn is_about(model: &Model, mutant: &Weakened) -> bool {
    ABOUT.iter().any(|(file, modules)| mutant.file == *file && modules.contains(&model.module()))
}

/// The mutants, and the files that contain them.
fn instrumented() -> Outcome<(Vec<Weakened>, BTreeMap<PathBuf, String>)> {
    let sources = repository().join("src");
    let mut files = Vec::new();
    list(&sources, &mut files)?;
    files.sort();
    let (mut mutants, mut texts) = (Vec::new(), BTreeMap::new());
    for path in files {
        let file = path.strip_prefix(&sources)?.to_string_lossy().into_owned();
        let source = fs::read_to_string(&path)?;
        let before = mutants.len();
        let text = if file == "sync.rs" {
            source + weaken::SUPPORT
        } else {
            weaken::instrument(&file, &source, &mut mutants)
        };
        if mutants.len() > before || file == "sync.rs" {
            texts.insert(Path::new("src").join(file), text);
        }
    }
    Ok((mutants, texts))
}

fn tests(executable: &Path) -> io::Result<Vec<String>> {
    let output = Command::new(executable).arg("--list").output()?;
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read_all(folder: &Path, texts: &mut Vec<String>) -> io::Result<()> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    for file in files {
        // A comment changes no verdict.
        texts.push(without_comments(&fs::read_to_string(file)?));
    }
    Ok(())
}
