//! In which order the types of one stream are sent: make before break.
//!
//! News go CDS, EDS, LDS, RDS, others, so that nothing refers to what isn't there yet; removals go the other way
//! round, so that nothing that is still referred to is taken away. All that a stream is to be sent of one change is
//! in this order:
//!
//! ```text
//! CDS+  EDS+  LDS+  RDS+  others+-  RDS-  LDS-  EDS-  CDS-
//! ```
//!
//! What is ready waits while an earlier step has something unsent. To be sent is not always enough:
//!
//! * Listeners and routes wait until clusters are *answered*. Envoy asks for the endpoints of a new cluster only when
//!   it has the cluster, and acknowledges the cluster when it has the endpoints: a route sent before that refers to a
//!   cluster that isn't in service yet.
//! * Removals wait until all that comes before them is answered. A client that is sent another listener may ask for
//!   its routes next, and serves the old ones until it has them.
//! * A cluster or a listener that a client has asked for *by name* is removed only after the patience. gRPC goes on
//!   using a cluster until it has all that its new route refers to, which it asks for step by step. Then it
//!   unsubscribes by itself, and nothing is left to remove.
//!
//! Endpoints, and whatever else a cluster may need to warm, wait for no answer: each would wait for the other.
//! Whatever waits is sent after the [patience](super::Limits::order_patience) all the same, so that a client that keeps
//! some other order costs itself time and nothing else. A client that goes on accepting clusters, which change faster
//! than it can, is no such client: with each answer the patience of listeners and routes begins anew.

use super::resource::TypeUrl;
use super::subscription::Unsent;

/// The place of a type in the order.
pub(super) fn rank(type_url: &str) -> u8 {
    match type_url {
        TypeUrl::CLUSTER => CLUSTERS,
        TypeUrl::ENDPOINTS => ENDPOINTS,
        TypeUrl::LISTENER => LISTENERS,
        TypeUrl::ROUTES => ROUTES,
        _ => OTHERS,
    }
}

const CLUSTERS: u8 = 0;
const ENDPOINTS: u8 = 1;
const LISTENERS: u8 = 2;
const ROUTES: u8 = 3;
const OTHERS: u8 = 4;

/// One type of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) rank: u8,
    pub(super) unsent: Unsent,
    /// Its last response has not been answered: nothing can be sent.
    pub(super) unanswered: bool,
}

/// Whether news of a type of this rank have to wait for one of the others.
pub(super) fn news_wait(rank: u8, others: &[Standing]) -> bool {
    let refers = matches!(rank, LISTENERS | ROUTES);
    others.iter().filter(|other| other.rank < rank).any(|other| {
        let warming = refers && other.rank == CLUSTERS && other.unanswered;
        warming || other.unsent.news && (refers || !other.unanswered)
    })
}

/// Whether removals of a type of this rank have to wait for one of the others, or, `by_name`, for the client itself.
pub(super) fn removals_wait(rank: u8, by_name: bool, others: &[Standing]) -> bool {
    let mut later = others.iter().filter(|other| other.rank > rank);
    (by_name && matches!(rank, CLUSTERS | LISTENERS))
        || later.any(|other| other.unanswered || other.unsent != Unsent::default())
}

/// Whether an answer of type `answered` shows that it is worth while to go on waiting with `waiting`: listeners and
/// routes wait for the answers of what they refer to.
pub(super) fn renews(answered: u8, waiting: u8) -> bool {
    matches!((answered, waiting), (CLUSTERS, LISTENERS | ROUTES) | (LISTENERS, ROUTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: Unsent = Unsent { news: true, removals: false };
    const REMOVALS: Unsent = Unsent { news: false, removals: true };

    fn standing(rank: u8, unsent: Unsent, unanswered: bool) -> Standing {
        Standing { rank, unsent, unanswered }
    }

    #[test]
    fn news_wait_for_what_comes_before() {
        let clusters = [standing(CLUSTERS, NEWS, false)];
        assert!(!news_wait(CLUSTERS, &clusters));
        for rank in [ENDPOINTS, LISTENERS, ROUTES, OTHERS] {
            assert!(news_wait(rank, &clusters));
            assert!(!news_wait(rank, &[standing(CLUSTERS, REMOVALS, false)]));
            assert!(!news_wait(rank, &[standing(rank, NEWS, false)]));
        }
        assert!(!news_wait(LISTENERS, &[standing(ROUTES, NEWS, false)]));
    }

    #[test]
    fn what_a_client_may_need_to_answer_does_not_wait_for_the_answer() {
        let clusters = [standing(CLUSTERS, NEWS, true)];
        assert!(!news_wait(ENDPOINTS, &clusters));
        assert!(!news_wait(OTHERS, &clusters), "secrets warm clusters as well");
        assert!(news_wait(LISTENERS, &clusters) && news_wait(ROUTES, &clusters));
    }

    #[test]
    fn what_refers_to_clusters_waits_until_they_are_in_service() {
        let warming = [standing(CLUSTERS, Unsent::default(), true)];
        assert!(news_wait(LISTENERS, &warming) && news_wait(ROUTES, &warming));
        assert!(!news_wait(ENDPOINTS, &warming) && !news_wait(OTHERS, &warming));
        let endpoints = [standing(ENDPOINTS, Unsent::default(), true)];
        assert!(!news_wait(ROUTES, &endpoints), "they may be another cluster's");
    }

    #[test]
    fn only_answers_of_what_is_waited_for_renew_the_patience() {
        assert!(
            renews(CLUSTERS, ROUTES) && renews(CLUSTERS, LISTENERS) && renews(LISTENERS, ROUTES)
        );
        // A client may send these while it withholds the answer for the clusters.
        assert!([LISTENERS, ROUTES, OTHERS].iter().all(|&waiting| !renews(ENDPOINTS, waiting)));
        assert!(!renews(ROUTES, CLUSTERS) && !renews(ROUTES, ROUTES));
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
    fn there_is_always_a_next_step() {
        // Whatever is unsent of the four types, one of them may send all or a part of it.
        let kinds = [Unsent::default(), NEWS, REMOVALS, Unsent { news: true, removals: true }];
        for state in 1..4_usize.pow(4) {
            let all: [Standing; 4] = core::array::from_fn(|rank| {
                standing(rank as u8, kinds[(state >> (2 * rank)) & 3], false)
            });
            let moves = all.iter().any(|one| {
                (one.unsent.news && !news_wait(one.rank, &all))
                    || (one.unsent.removals && !removals_wait(one.rank, false, &all))
            });
            assert!(moves, "{all:?}");
        }
    }
}
