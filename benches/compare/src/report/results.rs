//! What criterion, the counting binary and callgrind have found.

use std::fs;
use std::path::Path;

use serde_json::Value;

use pushlane_bench::scenarios::groups;

use super::Fallible;

/// One benchmark's median.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) group: String,
    pub(super) name: String,
    /// The number of clients, as a rule.
    pub(super) value: String,
    /// Nanoseconds an iteration.
    pub(super) median: f64,
}

impl Row {
    /// How many clients an iteration was for.
    pub(super) fn clients(&self) -> f64 {
        self.value.parse().unwrap_or(1.0)
    }
}

/// One row of the memory table.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) name: String,
    pub(super) payload: bool,
    /// Bytes a client.
    pub(super) idle: f64,
    pub(super) queued: f64,
    /// Allocations of a publish, a lease, a completion.
    pub(super) allocations: [f64; 3],
}

/// Where it is kept how the operations of a group divide.
pub(super) fn divided(group: &str) -> Option<&'static str> {
    match group {
        groups::CONTENDED => Some("contended.json"),
        groups::CONTENDED_ALL => Some("contended-all.json"),
        _ => None,
    }
}

/// Operations a second.
#[derive(Debug)]
pub(super) struct Contended {
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) pairs: u64,
    pub(super) publishes: f64,
    pub(super) pushes: f64,
}

/// Everything the report is made of.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
    pub(super) memory: Vec<Memory>,
    pub(super) contended: Vec<Contended>,
}

impl Results {
    pub(super) fn read(home: &Path) -> Fallible<Results> {
        let mut rows = Vec::new();
        collect(&home.join("criterion"), &mut rows)?;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or(f64::NAN);
        let memory = array(&home.join("memory.json"))?;
        let memory = memory.iter().map(|row| Memory {
            name: text(row, "name"),
            payload: row["payload"] == true,
            idle: number(row, "idle"),
            queued: number(row, "queued"),
            allocations: ["publish", "lease", "complete"].map(|key| number(row, key)),
        });
        let mut contended = Vec::new();
        for group in [groups::CONTENDED, groups::CONTENDED_ALL] {
            let rows = divided(group).map_or(Ok(Vec::new()), |file| array(&home.join(file)))?;
            contended.extend(rows.iter().map(|row| Contended {
                group,
                name: text(row, "name"),
                pairs: row["pairs"].as_u64().unwrap_or(0),
                publishes: number(row, "publishes"),
                pushes: number(row, "pushes"),
            }));
        }
        let memory = memory.collect();
        Ok(Results { rows, memory, contended })
    }

    /// Nanoseconds an iteration, if it was measured.
    pub(super) fn median(&self, group: &str, name: &str, value: &str) -> Option<f64> {
        let found = self.in_group(group).find(|row| row.name == name && row.value == value);
        found.map(|row| row.median)
    }

    pub(super) fn in_group(&self, group: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.group == group)
    }

    /// The fastest peer.
    pub(super) fn best_peer(&self, group: &str, value: &str) -> Option<&Row> {
        self.in_group(group)
            .filter(|row| row.value == value && !is_ours(&row.name))
            .min_by(|a, b| a.median.total_cmp(&b.median))
    }
}

pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("pushlane")
}

fn array(path: &Path) -> Fallible<Vec<Value>> {
    // Missing when only a part has been measured.
    let Ok(text) = fs::read_to_string(path) else { return Ok(Vec::new()) };
    match serde_json::from_str(&text)? {
        Value::Array(rows) => Ok(rows),
        _ => Err(format!("{}: no array", path.display()).into()),
    }
}

/// Every `new/estimates.json` below, with the `benchmark.json` beside it.
fn collect(directory: &Path, rows: &mut Vec<Row>) -> Fallible {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let (benchmark, estimates) = (path.join("benchmark.json"), path.join("estimates.json"));
        if !path.ends_with("new") || !benchmark.exists() {
            collect(&path, rows)?;
            continue;
        }
        let read =
            |path| -> Fallible<Value> { Ok(serde_json::from_str(&fs::read_to_string(path)?)?) };
        let (benchmark, estimates) = (read(benchmark)?, read(estimates)?);
        let text = |key: &str| benchmark[key].as_str().unwrap_or_default().to_owned();
        let median = estimates["median"]["point_estimate"].as_f64().ok_or("no median")?;
        let (group, name) = (text("group_id"), text("function_id"));
        rows.push(Row { group, name, value: text("value_str"), median });
    }
    Ok(())
}
