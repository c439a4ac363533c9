//! Why a client was thrown out.

use core::fmt;
use core::time::Duration;

/// Why an adapter has unregistered a client.
///
/// The client's connection should be closed: what it was owed is forgotten, so it has to come back as a
/// newcomer and start from everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvictReason {
    /// A push to it had not ended after this long.
    Deadline(Duration),
}

impl fmt::Display for EvictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvictReason::Deadline(limit) => write!(f, "a push had not ended after {limit:?}"),
        }
    }
}
