//! In which order the types of one stream are sent: make before break.
//!
//! News go CDS, EDS, LDS, RDS, SRDS, VHDS, so that nothing refers to what isn't there yet; removals
//! go the other way round, so that nothing that is still referred to is taken away:
//!
//! ```text
//! CDS+  EDS+  LDS+  RDS+  SRDS+  VHDS+-  SRDS-  RDS-  LDS-  EDS-  CDS-
//! ```
//!
//! [`NEWS`] and [`REMOVALS`] say which type may wait for which, and for what. Three things about
//! them:
//!
//! * Whatever refers to clusters waits until clusters are *answered*. Envoy acknowledges a cluster
//!   when it has its endpoints and its secrets; a route sent before that refers to a cluster that
//!   isn't in service yet.
//! * So endpoints, secrets, and every type that nothing is known about wait for no answer: a
//!   cluster's answer may wait for them.
//! * Removals wait until all that comes after them is answered, except for endpoints, which refer
//!   to nothing. A client that is sent another listener may ask for its routes next, and serves the
//!   old ones until it has them.
//!
//! A cluster or a listener that a client has asked for *by name* is removed only after the
//! patience. gRPC goes on using a cluster until it has all that its new route refers to, which it
//! asks for step by step. Then it unsubscribes by itself, and nothing is left to remove.
//!
//! A state-of-the-world client that asks for endpoints that don't exist is told so in the order of
//! removals. One that asks late is sent its new route first, and doesn't go to a cluster without
//! endpoints. A client that subscribes to all clusters, and has not answered them, is told at once:
//! its answer may wait for it.
//!
//! The tables have no cycle, with clients that answer a type only when they have another
//! (`there_is_always_a_next_step`). Whatever waits is sent after the
//! [patience](super::Limits::order_patience) all the same, so that a client that keeps some other
//! order costs itself time and nothing else. A client that goes on accepting clusters, which change
//! faster than it can, is no such client: each answer renews the patience of what waits for it.

use super::resource::TypeUrl;
use super::subscription::Unsent;

/// The place of a type in the order, and in the tables.
pub(super) fn rank(type_url: &str) -> u8 {
    match type_url {
        TypeUrl::CLUSTER => CLUSTERS,
        TypeUrl::ENDPOINTS => ENDPOINTS,
        TypeUrl::LISTENER => LISTENERS,
        TypeUrl::ROUTES => ROUTES,
        TypeUrl::SCOPED_ROUTES => SCOPES,
        TypeUrl::VIRTUAL_HOST => HOSTS,
        _ => OTHERS,
    }
}

const CLUSTERS: u8 = 0;
const ENDPOINTS: u8 = 1;
const LISTENERS: u8 = 2;
const ROUTES: u8 = 3;
const SCOPES: u8 = 4;
const HOSTS: u8 = 5;
/// Secrets, and every type that nothing is known about.
const OTHERS: u8 = 6;
const RANKS: usize = 7;

/// For what of another type a type waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// For nothing.
    No,
    /// Until it has sent what it can send now; if it waits for an answer, for nothing.
    Turn,
    /// Until its news are sent.
    Sent,
    /// Until its news are sent and answered.
    Answered,
    /// Until its removals are sent.
    Removed,
    /// Until everything is sent and answered.
    Settled,
}

/// Which news (row) wait for what of another type (column).
#[rustfmt::skip]
const NEWS: [[Wait; RANKS]; RANKS] = {
    use Wait::{Answered as A, No as N, Sent as S, Turn as T};
    //                CDS EDS LDS RDS SRDS VHDS others
    [/* CDS    */    [N,  N,  N,  N,  N,   N,   N],
     /* EDS    */    [T,  N,  N,  N,  N,   N,   N],
     /* LDS    */    [A,  S,  N,  N,  N,   N,   N],
     /* RDS    */    [A,  S,  T,  N,  N,   N,   N],
     /* SRDS   */    [A,  S,  T,  T,  N,   N,   N],
     /* VHDS   */    [A,  S,  N,  N,  N,   N,   N],
     /* others */    [N,  N,  N,  N,  N,   N,   N]]
};

/// Which removals (row) wait for what of another type (column).
#[rustfmt::skip]
const REMOVALS: [[Wait; RANKS]; RANKS] = {
    use Wait::{No as N, Removed as R, Settled as S};
    //                CDS EDS LDS RDS SRDS VHDS others
    [/* CDS    */    [N,  R,  S,  S,  S,   S,   S],
     /* EDS    */    [N,  N,  S,  S,  S,   S,   S],
     /* LDS    */    [N,  N,  N,  S,  S,   S,   S],
     /* RDS    */    [N,  N,  N,  N,  S,   S,   S],
     /* SRDS   */    [N,  N,  N,  N,  N,   N,   N],
     /* VHDS   */    [N,  N,  N,  N,  N,   N,   N],
     /* others */    [N,  N,  N,  N,  N,   N,   N]]
};

impl Wait {
    fn holds(self, other: &Standing) -> bool {
        let Standing { unsent, unanswered, .. } = *other;
        match self {
            Wait::No => false,
            Wait::Turn => unsent.news && !unanswered,
            Wait::Sent => unsent.news,
            Wait::Answered => unsent.news || unanswered,
            Wait::Removed => unsent.removals,
            Wait::Settled => unsent != Unsent::default() || unanswered,
        }
    }
}

/// One type of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) rank: u8,
    /// The client names what it wants.
    pub(super) by_name: bool,
    pub(super) unsent: Unsent,
    /// Its last response has not been answered: nothing can be sent.
    pub(super) unanswered: bool,
}

fn waits(row: &[Wait; RANKS], others: &[Standing]) -> bool {
    others.iter().any(|other| row[usize::from(other.rank)].holds(other))
}

/// Whether news of a type of this rank have to wait for one of the others.
pub(super) fn news_wait(rank: u8, others: &[Standing]) -> bool {
    waits(&NEWS[usize::from(rank)], others)
}

/// Whether removals of a type of this rank have to wait for one of the others, or, `by_name`, for
/// the client itself.
pub(super) fn removals_wait(rank: u8, by_name: bool, others: &[Standing]) -> bool {
    (by_name && matches!(rank, CLUSTERS | LISTENERS)) || waits(&REMOVALS[usize::from(rank)], others)
}

/// Whether the news that something of this rank doesn't exist has to wait for one of the others.
pub(super) fn stand_ins_wait(rank: u8, others: &[Standing]) -> bool {
    let warms = |other: &Standing| other.rank == CLUSTERS && other.unanswered && !other.by_name;
    !(rank == ENDPOINTS && others.iter().any(warms)) && waits(&REMOVALS[usize::from(rank)], others)
}

/// Whether an answer of type `answered` shows that it is worth while to go on waiting with
/// `waiting`. Endpoints change all the time: their answers show nothing.
pub(super) fn renews(answered: u8, waiting: u8) -> bool {
    let [to, of] = [waiting, answered].map(usize::from);
    !matches!(answered, ENDPOINTS | OTHERS)
        && (NEWS[to][of] != Wait::No || REMOVALS[to][of] != Wait::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: Unsent = Unsent { news: true, removals: false };
    const REMOVALS: Unsent = Unsent { news: false, removals: true };

    fn standing(rank: u8, unsent: Unsent, unanswered: bool) -> Standing {
        Standing { rank, by_name: false, unsent, unanswered }
    }

    #[test]
    fn news_wait_for_what_they_refer_to() {
        let clusters = [standing(CLUSTERS, NEWS, false)];
        for rank in [ENDPOINTS, LISTENERS, ROUTES, SCOPES, HOSTS] {
            assert!(news_wait(rank, &clusters));
            assert!(!news_wait(rank, &[standing(CLUSTERS, REMOVALS, false)]));
        }
        for rank in [CLUSTERS, OTHERS] {
            assert!(!news_wait(rank, &clusters));
        }
        assert!(!news_wait(LISTENERS, &[standing(ROUTES, NEWS, false)]));
    }

    #[test]
    fn what_a_client_may_need_to_answer_does_not_wait_for_the_answer() {
        for unsent in [Unsent::default(), NEWS] {
            let warming = [standing(CLUSTERS, unsent, true)];
            for rank in [ENDPOINTS, OTHERS] {
                assert!(!news_wait(rank, &warming), "{unsent:?}");
            }
            for rank in [LISTENERS, ROUTES, SCOPES, HOSTS] {
                assert!(news_wait(rank, &warming), "not before the cluster is in service");
            }
        }
        let routes = [standing(ROUTES, NEWS, false), standing(LISTENERS, NEWS, false)];
        assert!(!news_wait(OTHERS, &routes), "a secret waits for nobody");
    }

    #[test]
    fn removals_wait_until_what_comes_after_is_answered() {
        let routes = [standing(ROUTES, Unsent::default(), true)];
        assert!(removals_wait(CLUSTERS, false, &routes) && !removals_wait(OTHERS, false, &routes));
    }

    #[test]
    fn what_is_asked_for_by_name_is_not_taken_away_at_once() {
        for rank in [CLUSTERS, LISTENERS] {
            assert!(removals_wait(rank, true, &[]) && !removals_wait(rank, false, &[]));
        }
        // The client has asked for these by name, whatever it is.
        assert!(!removals_wait(ENDPOINTS, true, &[]) && !removals_wait(OTHERS, true, &[]));
    }

    #[test]
    fn removals_wait_for_what_comes_after() {
        for unsent in [NEWS, REMOVALS] {
            let routes = [standing(ROUTES, unsent, false)];
            assert!(
                removals_wait(CLUSTERS, false, &routes) && removals_wait(LISTENERS, false, &routes)
            );
            assert!(
                !removals_wait(ROUTES, false, &routes) && !removals_wait(OTHERS, false, &routes)
            );
        }
    }

    #[test]
    fn that_endpoints_are_missing_waits_for_routes_but_not_while_a_cluster_warms() {
        let routes = standing(ROUTES, NEWS, false);
        assert!(stand_ins_wait(ENDPOINTS, &[routes]) && !stand_ins_wait(OTHERS, &[routes]));
        let clusters = standing(CLUSTERS, Unsent::default(), true);
        assert!(!stand_ins_wait(ENDPOINTS, &[clusters, routes]));
        let by_name = Standing { by_name: true, ..clusters };
        assert!(stand_ins_wait(ENDPOINTS, &[by_name, routes]));
    }

    #[test]
    fn an_answer_renews_the_patience_of_what_waits_for_it() {
        for rank in [LISTENERS, ROUTES, SCOPES, HOSTS] {
            assert!(renews(CLUSTERS, rank) && renews(rank, CLUSTERS));
            assert!(!renews(ENDPOINTS, rank) && !renews(OTHERS, rank));
        }
        assert!(!renews(CLUSTERS, OTHERS) && !renews(CLUSTERS, CLUSTERS));
    }

    /// What a client may insist on having before it answers a type: the strictest that is known,
    /// and more.
    fn needs(rank: u8) -> &'static [u8] {
        match rank {
            // Endpoints and secrets end the warming.
            CLUSTERS => &[ENDPOINTS, OTHERS],
            LISTENERS => &[ROUTES, SCOPES, OTHERS],
            ROUTES => &[HOSTS, OTHERS],
            SCOPES => &[ROUTES],
            _ => &[],
        }
    }

    /// In every state of all types, something can be sent, or the client can answer, until nothing
    /// is left. Each such step leaves less to do: so nobody waits for ever, the patience left
    /// aside.
    #[test]
    fn there_is_always_a_next_step() {
        // Endpoints that are removed are either told so, or that there are none: then a client may
        // insist on hearing it.
        for stand_ins in [false, true] {
            for state in 1..8_usize.pow(RANKS as u32) {
                let all: [Standing; RANKS] = core::array::from_fn(|rank| {
                    let bits = state >> (3 * rank);
                    let unsent = Unsent { news: bits & 1 != 0, removals: bits & 2 != 0 };
                    standing(rank as u8, unsent, bits & 4 != 0)
                });
                let told = |rank: u8| stand_ins && rank == ENDPOINTS;
                let moves = all.iter().any(|one| {
                    if one.unanswered {
                        let has = |needed: &u8| {
                            let unsent = all[usize::from(*needed)].unsent;
                            !(unsent.news || told(*needed) && unsent.removals)
                        };
                        needs(one.rank).iter().all(has)
                    } else {
                        let waits = if told(one.rank) {
                            stand_ins_wait(one.rank, &all)
                        } else {
                            removals_wait(one.rank, false, &all)
                        };
                        (one.unsent.news && !news_wait(one.rank, &all))
                            || (one.unsent.removals && !waits)
                    }
                });
                assert!(moves, "{stand_ins} {all:?}");
            }
        }
    }
}
