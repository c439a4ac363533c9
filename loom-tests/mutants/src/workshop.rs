//! A copy of the sources in which mutants are made.
//!
//! All mutants are in the copy at once, and a run chooses one: so there is one build.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Model, Verdict};

/// What the copy consists of. The mutants' own package is no part of it.
const PARTS: [&str; 5] =
    ["README.md", "src", "loom-tests/build.rs", "loom-tests/stand-ins", "loom-tests/tests"];

/// The copy is a workspace of its own. Only loom is optimised, as in the repository.
const WORKSPACE: &str = "
[workspace]
[profile.dev]
debug = false
[profile.dev.package.loom]
opt-level = 3
[profile.dev.package.generator]
opt-level = 3
";

pub struct Workshop {
    root: PathBuf,
}

impl Workshop {
    /// Copies the sources to `place`, with other texts for some of the files, which are named as in
    /// the repository. What is there already and up to date is left alone, so that cargo needn't
    /// compile it again.
    pub fn open(place: &Path, texts: &BTreeMap<PathBuf, String>) -> io::Result<Workshop> {
        let repository = repository();
        let root = place.join("copy");
        let mut copied = BTreeSet::new();
        for part in PARTS {
            copy(&repository.join(part), &root.join(part), &mut copied, &|from| {
                from.strip_prefix(&repository).ok().and_then(|path| texts.get(path)).cloned()
            })?;
        }
        let lock = root.join("loom-tests/Cargo.lock");
        write(&lock, &fs::read_to_string(repository.join("Cargo.lock"))?, &mut copied)?;
        let manifest = root.join("loom-tests/Cargo.toml");
        let text = fs::read_to_string(repository.join("loom-tests/Cargo.toml"))? + WORKSPACE;
        write(&manifest, &text, &mut copied)?;
        remove_others(&root, &copied)?;
        Ok(Workshop { root })
    }

    /// The program with all models in it, or what the compiler said.
    pub fn build(&self) -> io::Result<Result<PathBuf, String>> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Whatever the outer build was told is not meant for this one.
        for variable in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"]
        {
            cargo.env_remove(variable);
        }
        cargo
            .current_dir(self.root.join("loom-tests"))
            .env("CARGO_TARGET_DIR", self.root.with_file_name("target"))
            .args(["test", "--offline", "--no-run", "--message-format=json-render-diagnostics"])
            .args(["--test", "models"]);
        let output = cargo.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Ok(Err(format!("it does not compile:\n{said}")));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let mut executables =
            messages.lines().filter_map(|message| after(message, "\"executable\":\""));
        Ok(executables.next().map(PathBuf::from).ok_or_else(|| "there is no program".to_owned()))
    }

    /// Runs one model, for as long as `patience` allows, and says how long it took: of a
    /// processor's time, where that is known, so that a busy machine makes no difference.
    pub fn run_one(
        &self,
        executable: &Path,
        model: &Model,
        patience: Duration,
        environment: &[(&str, OsString)],
    ) -> io::Result<(Verdict, Duration)> {
        let mut test = Command::new(executable);
        test.current_dir(self.root.join("loom-tests"))
            .env("RUST_BACKTRACE", "0")
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .args(["--test-threads", "1", "--exact", &model.0])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut running = test.spawn()?;
        let stdout = running.stdout.take().map(collect);
        let stderr = running.stderr.take().map(collect);
        let began = Instant::now();
        let mut took = Duration::ZERO;
        let status = loop {
            // Before it is waited for: then nothing is known of it any more.
            took = processor_time(running.id()).map_or(began.elapsed(), |time| time.max(took));
            if let Some(status) = running.try_wait()? {
                break Some(status);
            }
            // A deadlock takes no time.
            if took > patience || began.elapsed() > 10 * patience + Duration::from_secs(10) {
                running.kill()?;
                running.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(3));
        };
        let mut said = String::new();
        for pipe in [stdout, stderr].into_iter().flatten() {
            said += &pipe.join().unwrap_or_default();
        }
        Ok((judge(model, status.map(|status| status.success()), &said), took))
    }
}

/// The repository that this package belongs to.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// How much of the processors' time a running program has had, to a hundredth of a second.
fn processor_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Behind the name, which may contain anything: the fields from the third on. User and system
    // time are the fourteenth and the fifteenth.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

fn judge(model: &Model, passed: Option<bool>, said: &str) -> Verdict {
    let by = || model.0.clone();
    match passed {
        None => Verdict::Hung { by: by() },
        // A name that matches no test passes as well.
        Some(true) if said.contains("running 0 tests") => {
            Verdict::Unfit { why: format!("there is no test {}", by()) }
        }
        Some(true) => Verdict::Survived,
        Some(false) => match reason(said) {
            Some(how) => Verdict::Killed { by: by(), how },
            None => Verdict::Unfit { why: format!("it failed without a panic:\n{said}") },
        },
    }
}

/// What the first panic said, in one line.
fn reason(said: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|line| !line.contains("panicked at"));
    lines.next()?;
    let said = lines.next()?.trim();
    // Loom lists its threads' states here.
    let said = said.split("; threads =").next().unwrap_or(said);
    Some(said.chars().take(90).collect())
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = Vec::new();
        // What was said until the pipe broke is all there is.
        let _ = pipe.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    })
}

/// What stands between `key` and the next quotation mark.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_once(key)?.1.split('"').next()
}

fn copy(
    from: &Path,
    to: &Path,
    copied: &mut BTreeSet<PathBuf>,
    instead: &dyn Fn(&Path) -> Option<String>,
) -> io::Result<()> {
    if !from.is_dir() {
        let text = instead(from).map_or_else(|| fs::read_to_string(from), Ok)?;
        return write(to, &text, copied);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()), copied, instead)?;
    }
    Ok(())
}

fn write(to: &Path, text: &str, copied: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    copied.insert(to.to_owned());
    if fs::read_to_string(to).is_ok_and(|there| there == text) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(to, text)
}

/// Removes files of an earlier copy that the sources have no more.
fn remove_others(directory: &Path, copied: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, copied)?;
        } else if !copied.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
