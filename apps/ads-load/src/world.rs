//! What is served: of each service its version, and when its last versions were due.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const EVERYONE: &str = "everyone";

pub(crate) fn service(number: usize) -> String {
    format!("service-{number}")
}

/// Microseconds: of a clock that all processes of the machine share.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// How many of its last versions a resource dates.
const HISTORY: usize = 32;

/// A service's resource. Its bytes are a name, a version and times; no client here is a real one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) version: u64,
    /// When the last versions were due, the newest last.
    pub(crate) due: Vec<u64>,
}

impl Service {
    /// A new version. It is dated by when it was due: a server that blocks its publisher must not
    /// stop the clock as well.
    pub(crate) fn change(&mut self, due: u64) {
        self.version += 1;
        if self.due.len() == HISTORY {
            self.due.remove(0);
        }
        self.due.push(due);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.name.len() as u8];
        bytes.extend(self.name.as_bytes());
        bytes.extend(self.version.to_le_bytes());
        self.due.iter().for_each(|at| bytes.extend(at.to_le_bytes()));
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Service> {
        let (&length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(length.into())?;
        let mut words = rest
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        let version = words.next()?;
        Some(Service { name: String::from_utf8(name.into()).ok()?, version, due: words.collect() })
    }

    /// When the versions after `seen` were due, as far back as the history goes.
    pub(crate) fn due_since(&self, seen: u64) -> &[u64] {
        let new = self.version.saturating_sub(seen) as usize;
        &self.due[self.due.len().saturating_sub(new)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_survives_the_wire() {
        let mut service = Service { name: "s".into(), ..Service::default() };
        for _ in 0..50 {
            service.change(now());
        }
        let read = Service::decode(&service.encode()).unwrap();
        assert_eq!(read, service);
        assert_eq!((read.version, read.due_since(47).len(), read.due_since(50).len()), (50, 3, 0));
    }
}
