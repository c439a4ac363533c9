//! Whom a publish concerned, remembered after it was made: by its version, and by the journal.

use crate::registry::ClientKey;
use crate::topics::{Scope, Topic};

/// Whom a publish concerned: everyone, one client, or who could be reached through up to four topics.
///
/// A scope of more topics is remembered without its filter, or as everyone: more clients, never fewer.
#[derive(Clone, Copy, Debug)]
pub struct Audience(pub(crate) Whom);

/// How many topics an audience can remember. Of a publish to more it forgets the filter, and if that is not
/// enough, it is taken to concern everyone who is busy.
pub(crate) const REMEMBERED: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    Everyone,
    Client(ClientKey),
    /// Whoever can be reached through one of the first `any` topics, and, if there is a filter, through one
    /// of those from there up to `and`.
    Topics {
        topics: [Topic; REMEMBERED],
        any: u8,
        and: Option<u8>,
    },
}

impl Audience {
    /// Every client. For whoever tries a backlog of their own without a queue.
    ///
    /// ```
    /// use pushlane::backlog::{Audience, Backlog, Bits};
    ///
    /// let (backlog, cells) = (Bits::<1>, Bits::<1>.cells());
    /// let mut recording = backlog.begin([0b1], Audience::EVERYONE);
    /// backlog.record(&mut recording, &cells, 0b101); // two clients of a bank
    /// assert_eq!(backlog.take(&cells, 2, &|_| true).payload, Some([0b1]));
    /// ```
    pub const EVERYONE: Audience = Audience(Whom::Everyone);

    pub(crate) const fn client(client: ClientKey) -> Audience {
        Audience(Whom::Client(client))
    }

    /// Whoever can be reached through this topic.
    #[cfg(feature = "spin")]
    pub(crate) const fn topic(topic: Topic) -> Audience {
        Audience(Whom::Topics { topics: [topic; REMEMBERED], any: 1, and: None })
    }

    pub(crate) fn scope(scope: &Scope<'_>) -> Audience {
        let mut topics = [Topic(0); REMEMBERED];
        let any = scope.any.len();
        let Some(room) = topics.get_mut(..any) else {
            return Audience::EVERYONE;
        };
        room.copy_from_slice(scope.any);
        // Without its filter a scope reaches more clients, never fewer.
        let and = scope.and.and_then(|filter| {
            let end = any + filter.len();
            topics.get_mut(any..end)?.copy_from_slice(filter);
            Some(end as u8)
        });
        Audience(Whom::Topics { topics, any: any as u8, and })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn more_topics_than_a_version_remembers_concern_everyone() {
        let topics = [1, 2, 3, 4, 5].map(Topic);
        let concern = |any, and| Audience::scope(&Scope { any, and }).0;
        let four = concern(&topics[..4], None);
        assert!(matches!(four, Whom::Topics { any: 4, and: None, .. }));
        assert!(matches!(concern(&topics, None), Whom::Everyone));
        let filtered = concern(&topics[..3], Some(&topics[3..4]));
        assert!(matches!(filtered, Whom::Topics { any: 3, and: Some(4), .. }));
        let too_long = concern(&topics[..3], Some(&topics[3..]));
        assert!(matches!(too_long, Whom::Topics { any: 3, and: None, .. }));
    }
}
