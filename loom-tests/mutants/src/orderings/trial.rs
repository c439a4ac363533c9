//! Runs the models on one mutant after another.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::record::{self, Record};
use super::weaken::{self, CHOSEN, REACHED, Weakened};
use crate::workshop::{Executables, Workshop, repository};
use crate::{Model, Verdict};

/// Sources that the models don't contain: loom can't see into what they are built on.
pub const UNMODELLED: [&str; 1] = ["ready/static_fifo.rs"];

/// All mutants, in one build.
pub struct Trial {
    pub mutants: Vec<Weakened>,
    workshop: Workshop,
    executables: Executables,
    /// The quickest first.
    models: Vec<Timed>,
    record: Record,
    fingerprint: String,
}

/// A model that passes while nothing is weaker.
struct Timed {
    model: Model,
    took: Duration,
    /// The mutants whose operations it reaches.
    reaches: HashSet<usize>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl Trial {
    /// Builds the mutants at `place`, and runs every model once without any.
    pub fn begin(place: &Path) -> Outcome<Trial> {
        let (mutants, texts) = instrumented()?;
        let workshop = Workshop::open_changed(place, &texts)?.optimised();
        let targets = workshop.targets()?;
        let names: Vec<&str> = targets.iter().map(String::as_str).collect();
        let executables = workshop.build(&names)??;
        let mut all: Vec<String> = texts.into_values().collect();
        for folder in ["loom-tests/tests", "loom-tests/stand-ins", "src"] {
            read_all(&repository().join(folder), &mut all)?;
        }
        let fingerprint = record::fingerprint(all.iter().map(String::as_str));
        let record = Record::open(place.join("verdicts.tsv"))?;
        let mut trial =
            Trial { mutants, workshop, executables, models: Vec::new(), record, fingerprint };
        trial.time_models(place)?;
        Ok(trial)
    }

    fn time_models(&mut self, place: &Path) -> Outcome<()> {
        let reached = place.join("reached");
        for (target, executable) in self.executables.clone() {
            for test in tests(&executable)? {
                let key = format!("{} model {target}::{test}", self.fingerprint);
                let model = Model { target: target.clone(), test: Some(test) };
                let line = match self.record.get(&key) {
                    Some(line) => line.to_owned(),
                    None => {
                        let _ = fs::remove_file(&reached);
                        let began = Instant::now();
                        let environment = [(REACHED, OsString::from(&reached))];
                        let patience = Duration::from_secs(1_800);
                        let verdict =
                            self.workshop.run_one(&executable, &model, patience, &environment)?;
                        if verdict != Verdict::Survived {
                            return Err(format!("{model:?} without any mutant: {verdict:?}").into());
                        }
                        let numbers = fs::read_to_string(&reached).unwrap_or_default();
                        let numbers: Vec<&str> = numbers.lines().collect();
                        let line =
                            format!("{}\t{}", began.elapsed().as_millis(), numbers.join(","));
                        self.record.put(&key, &line)?;
                        line
                    }
                };
                let (took, numbers) = line.split_once('\t').ok_or("an odd record")?;
                self.models.push(Timed {
                    model,
                    took: Duration::from_millis(took.parse()?),
                    reaches: numbers.split(',').filter_map(|number| number.parse().ok()).collect(),
                });
            }
        }
        self.models.sort_by_key(|timed| timed.took);
        Ok(())
    }

    /// How many models there are, and how long they take together.
    pub fn models(&self) -> (usize, Duration) {
        (self.models.len(), self.models.iter().map(|timed| timed.took).sum())
    }

    fn key(&self, number: usize, slowest: Duration) -> String {
        let Weakened { file, function, operation, mutation } = &self.mutants[number];
        format!(
            "{} {} {file} {function} {operation} {mutation}",
            self.fingerprint,
            slowest.as_secs()
        )
    }

    /// The verdict on a mutant, if it is known already.
    pub fn known(&self, number: usize, slowest: Duration) -> Option<Verdict> {
        record::verdict(self.record.get(&self.key(number, slowest))?)
    }

    /// Runs the models that reach the mutant's operation, the quickest first, until one fails. Models that
    /// take longer than `slowest` are left out. `None`: there is no model that reaches it.
    pub fn run(&mut self, number: usize, slowest: Duration) -> Outcome<Option<Verdict>> {
        if let Some(known) = self.known(number, slowest) {
            return Ok(Some(known));
        }
        let mut models: Vec<&Timed> = self
            .models
            .iter()
            .filter(|timed| timed.took <= slowest && timed.reaches.contains(&number))
            .collect();
        if models.is_empty() {
            return Ok(None);
        }
        // Whoever noticed it last time, in older sources, is likely to do so again.
        let hint =
            format!("killer {}", self.key(number, slowest).split_once(' ').map_or("", |key| key.1));
        if let Some(killer) = self.record.get(&hint) {
            models.sort_by_key(|timed| name(&timed.model) != killer);
        }
        let mut verdict = Verdict::Survived;
        for timed in models {
            let executable =
                self.executables.iter().find(|(target, _)| *target == timed.model.target);
            let Some((_, executable)) = executable else { continue };
            let patience = Duration::from_secs(20) + 8 * timed.took;
            let environment = [(CHOSEN, OsString::from(number.to_string()))];
            match self.workshop.run_one(executable, &timed.model, patience, &environment)? {
                Verdict::Survived => {}
                // More to explore, perhaps: another model may say it with certainty.
                hung @ Verdict::Hung { .. } => verdict = hung,
                other => {
                    verdict = other;
                    break;
                }
            }
        }
        let key = self.key(number, slowest);
        self.record.put(&key, &record::line(&verdict))?;
        if let Verdict::Killed { by, .. } = &verdict {
            self.record.put(&hint, by)?;
        }
        Ok(Some(verdict))
    }
}

fn name(model: &Model) -> String {
    format!("{}::{}", model.target, model.test.as_deref().unwrap_or_default())
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
        texts.push(fs::read_to_string(file)?);
    }
    Ok(())
}
