//! A replica's record: what others know of it.

use crate::serve::plain;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// Of the name of a client or its reason, and of a fault.
const LETTERS: usize = 300;

/// Written under the replica's lease, as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) clients: u64,
    pub(crate) stream_limit: u64,
    pub(crate) permits: u64,
    /// The newest revision that is served.
    pub(crate) applied: u64,
    /// The newest revision that all its clients have acknowledged, but for those that are joining.
    pub(crate) revision: u64,
    /// Clients that came some time ago and have not answered yet, or have gone before they had.
    pub(crate) joining: u64,
    /// Clients that hold the next revision back, and why: the first of them.
    pub(crate) behind: Vec<String>,
    pub(crate) behind_count: u64,
    /// What of the state can't be served.
    pub(crate) fault: Option<String>,
}

impl Record {
    /// Whether all clients of the replica have the revision.
    pub(crate) fn has(&self, revision: u64) -> bool {
        self.revision >= revision && self.joining == 0
    }

    /// Whether an earlier record said of a revision that all clients have it, and this one doesn't.
    pub(crate) fn takes_back(&self, earlier: &Self) -> bool {
        earlier.joining == 0 && !self.has(earlier.revision)
    }

    /// Whether etcd, which is at this revision, can have had what the record speaks of. If not, it
    /// was restored from an older state, and the record is of before.
    pub(crate) fn fits(&self, newest: i64) -> Result<(), String> {
        let applied = self.applied;
        if i64::try_from(applied).is_ok_and(|applied| applied <= newest) {
            return Ok(());
        }
        Err(format!("revision {applied} is served, etcd is at {newest}: it was restored"))
    }

    pub(crate) fn to_text(&self) -> String {
        json!({
            "id": self.id,
            "address": self.address,
            "clients": self.clients,
            "stream_limit": self.stream_limit,
            "permits": self.permits,
            "applied": self.applied,
            "revision": self.revision,
            "joining": self.joining,
            "behind": self.behind.iter().map(|it| short(it)).collect::<Vec<_>>(),
            "behind_count": self.behind_count,
            "fault": self.fault.as_deref().map(short),
        })
        .to_string()
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let string = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str| value[name].as_u64().ok_or(format!("no number {name:?}"));
        let behind = value["behind"].as_array().into_iter().flatten();
        Ok(Self {
            id: string("id").ok_or("no id")?,
            address: string("address").unwrap_or_default(),
            clients: number("clients")?,
            stream_limit: number("stream_limit")?,
            permits: number("permits")?,
            applied: number("applied")?,
            revision: number("revision")?,
            joining: number("joining")?,
            behind: behind.filter_map(Value::as_str).map(str::to_owned).collect(),
            behind_count: number("behind_count")?,
            fault: string("fault"),
        })
    }
}

/// Clients choose their names, and what they say when they reject: a record that were too large for
/// etcd could not be written.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// One line, for people.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { clients, stream_limit, applied, revision, joining, .. } = self;
        let (id, address) = (plain(&self.id), plain(&self.address));
        write!(f, "{id} at {address}: {clients} of {stream_limit} clients, ")?;
        write!(f, "serves {applied}, all have {revision}")?;
        if *joining > 0 {
            write!(f, ", {joining} joining")?;
        }
        if self.behind_count > 0 {
            write!(f, ", {} behind: {}", self.behind_count, plain(&self.behind.join("; ")))?;
        }
        if let Some(fault) = &self.fault {
            write!(f, ", {}", plain(fault))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let record = Record {
            id: "a".into(),
            clients: 3,
            revision: 7,
            behind: vec!["node \"x\"".into()],
            behind_count: 4,
            fault: Some("key".into()),
            ..Record::default()
        };
        assert_eq!(Record::parse(record.to_text().as_bytes()), Ok(record));
        assert!(Record::parse(b"{}").is_err() && Record::parse(b"\xff").is_err());
    }

    #[test]
    fn what_clients_say_does_not_make_a_record_too_large() {
        let (behind, fault) = (vec!["ü".repeat(1_000_000); 10], Some("x".repeat(1_000_000)));
        let record = Record { behind, fault, ..Record::default() };
        assert!(record.to_text().len() < 10_000);
        let there = Record::parse(record.to_text().as_bytes()).unwrap();
        assert_eq!(there.behind[0], "ü".repeat(LETTERS) + "…");
    }

    #[test]
    fn what_clients_say_does_not_control_the_terminal() {
        let behind = vec!["\x1b[2Jnode\n".into()];
        let record = Record { behind, behind_count: 1, ..Record::default() };
        let said = record.to_string();
        assert!(said.contains("[2Jnode") && !said.chars().any(char::is_control), "{said:?}");
    }

    #[test]
    fn a_client_that_is_joining_may_have_anything() {
        let record = Record { revision: 7, ..Record::default() };
        assert!(record.has(7) && !record.has(8));
        assert!(!Record { joining: 1, ..record }.has(7));
    }

    #[test]
    fn a_record_of_before_etcd_was_restored_says_nothing() {
        let record = Record { applied: 7, ..Record::default() };
        assert!(record.fits(7).is_ok() && record.fits(6).is_err());
    }

    #[test]
    fn a_lower_revision_or_a_client_that_joins_takes_something_back() {
        let earlier = Record { revision: 7, ..Record::default() };
        let joining = Record { joining: 1, ..earlier.clone() };
        let later = Record { revision: 8, ..Record::default() };
        assert!(joining.takes_back(&earlier) && earlier.takes_back(&later));
        assert!(!later.takes_back(&earlier) && !earlier.takes_back(&earlier));
        assert!(!joining.takes_back(&joining), "it says nothing, then nothing");
    }
}
