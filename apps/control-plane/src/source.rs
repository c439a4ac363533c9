//! The state of the directory, for the console and the admin page.

use crate::resources::Resource;
use crate::resources::fault::Fault;
use crate::watch::News;
use pushlane::adapters::xds::Published;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most faults that are printed of one file.
const MOST: usize = 50;

#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// `None`: the built-in set.
    pub(crate) dir: Option<PathBuf>,
    /// The file that is served, and since when.
    pub(crate) good: Option<(&'static str, SystemTime)>,
    /// Resources served, by the last part of their type.
    pub(crate) counts: BTreeMap<String, usize>,
    /// The faults of the present file, `file:line:column: ...`, and what follows from them.
    pub(crate) faults: Vec<String>,
    /// The number of faults, printed or not.
    pub(crate) fault_count: usize,
    /// The newest change that changed a resource.
    pub(crate) newest: Option<Published>,
    pub(crate) reads: u64,
    pub(crate) rejects: u64,
}

impl Source {
    pub(crate) fn new(dir: Option<&Path>) -> Self {
        Self { dir: dir.map(Path::to_path_buf), ..Self::default() }
    }

    /// Records a state that is served from now on.
    pub(crate) fn good(&mut self, file: &'static str, resources: &[Resource]) {
        self.reads += 1;
        self.good = Some((file, SystemTime::now()));
        self.faults.clear();
        self.fault_count = 0;
        self.counts.clear();
        for resource in resources {
            *self.counts.entry(resource.kind().to_owned()).or_default() += 1;
        }
    }

    /// Records a state that is not served.
    pub(crate) fn bad(&mut self, news: &News) {
        self.rejects += 1;
        self.fault_count = if let News::Broken { faults, .. } = news { faults.len() } else { 1 };
        self.faults = match news {
            News::Read { .. } => Vec::new(),
            News::Broken { file, faults } => lines(file, faults),
            News::Unreadable(why) => vec![why.clone()],
            News::Gone => vec!["the file is gone".into()],
        };
        let kept = if self.good.is_some() {
            "the previous state stays in use"
        } else {
            "nothing is served yet"
        };
        self.faults.push(kept.into());
    }
}

/// One line a fault.
pub(crate) fn lines(file: &str, faults: &[Fault]) -> Vec<String> {
    let mut lines: Vec<_> =
        faults.iter().take(MOST).map(|fault| format!("{file}:{fault}")).collect();
    if faults.len() > MOST {
        lines.push(format!("{file}: and {} more", faults.len() - MOST));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::parse;

    #[test]
    fn the_last_good_state_stays_known() {
        let mut source = Source::new(None);
        let json = include_bytes!("builtin.json");
        source.good("resources.json", &parse("resources.json", json).unwrap());
        assert_eq!(source.counts["Listener"], 2);
        let faults = parse("resources.json", b"{\n \"resources\": 1}").unwrap_err();
        source.bad(&News::Broken { file: "resources.json", faults });
        let expected = "resources.json:2:15: expected a list of resources, found 1";
        assert_eq!(source.faults, [expected, "the previous state stays in use"]);
        assert_eq!(
            (source.fault_count, source.counts["Listener"], source.good.is_some()),
            (1, 2, true)
        );
        source.good("resources.json", &[]);
        assert!(source.faults.is_empty() && source.counts.is_empty());
    }

    #[test]
    fn a_thousand_faults_are_not_printed() {
        let faults = vec![Fault::of_file("x"); 1_000];
        let lines = lines("f", &faults);
        assert_eq!((lines.len(), lines[MOST].as_str()), (MOST + 1, "f: and 950 more"));
    }
}
