//! Which clients a publish concerned, remembered by its version.

use crate::slot::Lane;
use crate::topics::{Scope, Topic};
use crate::versions::ClientPush;

/// How many topics a version remembers. A publish to more forgets its filter; if that is not
/// enough, it is taken to concern every busy client.
const REMEMBERED: usize = 4;

/// Which clients a publish concerned. Never fewer than it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Recipients {
    Everyone,
    /// The same, of a publish on demand: until the visits of this lane have ended, idle clients
    /// count too.
    OnDemand(Lane),
    /// The same of a barrier: for publishes on demand of both lanes.
    Barrier,
    /// One client, until this push of it is completed, or a later one.
    Client(ClientPush),
    /// The clients reached through one of the first `any` topics, and, if there is a filter,
    /// through one of those from there up to `and`.
    Topics {
        topics: [Topic; REMEMBERED],
        any: u8,
        and: Option<u8>,
    },
}

impl Recipients {
    pub(crate) fn scope(scope: &Scope<'_>) -> Recipients {
        let mut topics = [Topic(0); REMEMBERED];
        let any = scope.any.len();
        let Some(room) = topics.get_mut(..any) else {
            return Recipients::Everyone;
        };
        room.copy_from_slice(scope.any);
        // Without its filter a scope reaches more clients, never fewer.
        let and = scope.and.and_then(|filter| {
            let end = any + filter.len();
            topics.get_mut(any..end)?.copy_from_slice(filter);
            Some(end as u8)
        });
        Recipients::Topics { topics, any: any as u8, and }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn more_topics_than_a_version_remembers_concern_everyone() {
        let topics = [1, 2, 3, 4, 5].map(Topic);
        let concern = |any, and| Recipients::scope(&Scope { any, and });
        let four = concern(&topics[..4], None);
        assert!(matches!(four, Recipients::Topics { any: 4, and: None, .. }));
        assert!(matches!(concern(&topics, None), Recipients::Everyone));
        let filtered = concern(&topics[..3], Some(&topics[3..4]));
        assert!(matches!(filtered, Recipients::Topics { any: 3, and: Some(4), .. }));
        let too_long = concern(&topics[..3], Some(&topics[3..]));
        assert!(matches!(too_long, Recipients::Topics { any: 3, and: None, .. }));
    }
}
