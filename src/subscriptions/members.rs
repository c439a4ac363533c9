//! The clients that subscribe to one key, in the order of their places.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::registry::ClientKey;

/// From more members on, they are kept in a tree. A vector takes half the memory, but to remove
/// from the middle of it costs in proportion to its length.
const MANY: usize = 512;

/// A sorted set of clients. Most keys have few.
#[derive(Debug)]
pub(super) enum Members {
    Few(Vec<ClientKey>),
    Many(BTreeSet<ClientKey>),
}

impl Default for Members {
    fn default() -> Self {
        Members::Few(Vec::new())
    }
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Members::Few(few) => few.is_empty(),
            Members::Many(many) => many.is_empty(),
        }
    }

    /// Whether the client was not a member before.
    pub(super) fn insert(&mut self, client: ClientKey) -> bool {
        match self {
            Members::Few(few) => match few.binary_search(&client) {
                Ok(_) => false,
                Err(place) if few.len() < MANY => {
                    few.insert(place, client);
                    true
                }
                Err(_) => {
                    let mut many: BTreeSet<_> = few.drain(..).collect();
                    many.insert(client);
                    *self = Members::Many(many);
                    true
                }
            },
            Members::Many(many) => many.insert(client),
        }
    }

    /// Whether the client was a member. Memory that is no longer needed is given back.
    pub(super) fn remove(&mut self, client: ClientKey) -> bool {
        match self {
            Members::Few(few) => {
                let Ok(place) = few.binary_search(&client) else { return false };
                few.remove(place);
                // With room to grow again, and seldom: a key whose last members come and go must
                // not allocate each time.
                if few.len() * 8 <= few.capacity() && few.capacity() > 8 {
                    few.shrink_to(few.len() * 2);
                }
                true
            }
            Members::Many(many) => {
                let was = many.remove(&client);
                if many.len() <= MANY / 4 {
                    *self = Members::Few(many.iter().copied().collect());
                }
                was
            }
        }
    }

    /// Reads the vector, a cache line after the other, and returns a number that depends on all.
    pub(super) fn look(&self) -> usize {
        match self {
            Members::Few(few) => few.iter().step_by(8).map(|client| client.index()).sum(),
            Members::Many(many) => many.len(),
        }
    }

    pub(super) fn append_to(&self, clients: &mut Vec<ClientKey>) {
        match self {
            Members::Few(few) => clients.extend_from_slice(few),
            Members::Many(many) => clients.extend(many),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(members: &Members) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        members.append_to(&mut clients);
        clients
    }

    #[test]
    fn members_stay_sorted_and_single_through_both_forms() {
        let mut members = Members::default();
        let all: Vec<_> = (0..2_000).map(|index| ClientKey::of(index, 1)).collect();
        // In an order that is neither up nor down.
        for step in 0..2_000 {
            let client = all[step * 7 % 2_000];
            assert!(members.insert(client) && !members.insert(client));
        }
        assert!(matches!(members, Members::Many(_)));
        assert_eq!(clients(&members), all);
        for step in 0..1_990 {
            let client = all[step * 7 % 2_000];
            assert!(members.remove(client) && !members.remove(client));
        }
        assert!(matches!(&members, Members::Few(few) if few.capacity() <= 64));
        let left: Vec<_> = (1_990..2_000).map(|step| all[step * 7 % 2_000]).collect();
        assert!(left.iter().all(|client| clients(&members).contains(client)));
        assert_eq!(clients(&members).len(), 10);
        left.into_iter().for_each(|client| assert!(members.remove(client)));
        assert!(members.is_empty());
    }
}
