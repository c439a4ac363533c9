//! How many streams are admitted: as many as the operator wants, and none without a lease or at the
//! end.

use pushlane::adapters::xds::Ads;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Gate {
    ads: Ads,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    wanted: usize,
    leased: bool,
    ending: bool,
}

impl Gate {
    /// Without a lease yet.
    pub(super) fn new(ads: Ads) -> Self {
        ads.set_stream_limit(0);
        let wanted = ads.limits().streams;
        Self { ads, state: Mutex::new(State { wanted, leased: false, ending: false }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True: it was otherwise before.
    fn change(&self, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state();
        let before = *state;
        change(&mut state);
        let admits = state.leased && !state.ending;
        self.ads.set_stream_limit(if admits { state.wanted } else { 0 });
        *state != before
    }

    pub(super) fn leased(&self, leased: bool) -> bool {
        self.change(|state| state.leased = leased)
    }

    /// As many as `wanted`, up to the places that there are. `None`: all of them.
    pub(super) fn limit(&self, wanted: Option<usize>) -> bool {
        let places = self.ads.limits().streams;
        self.change(|state| state.wanted = wanted.unwrap_or(places).min(places))
    }

    /// No client is admitted any more.
    pub(super) fn end(&self) {
        self.change(|state| state.ending = true);
    }

    /// How many streams there may be while this replica admits clients. `None`: it doesn't.
    pub(super) fn wanted(&self) -> Option<usize> {
        let state = self.state();
        (state.leased && !state.ending).then_some(state.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_outlives_a_lease_and_an_end_outlives_both() {
        let ads = Ads::builder().start();
        let gate = Gate::new(ads.clone());
        assert_eq!((ads.stream_limit(), gate.wanted()), (0, None));
        assert!(gate.leased(true) && !gate.leased(true));
        assert_eq!(ads.stream_limit(), ads.limits().streams);
        assert!(gate.limit(Some(7)) && !gate.limit(Some(7)));
        assert_eq!((ads.stream_limit(), gate.wanted()), (7, Some(7)));
        gate.leased(false);
        assert!(gate.limit(Some(9)));
        assert_eq!(ads.stream_limit(), 0, "there is no lease");
        gate.leased(true);
        assert_eq!(ads.stream_limit(), 9);
        gate.limit(Some(usize::MAX));
        assert_eq!(gate.wanted(), Some(ads.limits().streams), "no more than places");
        gate.end();
        gate.leased(true);
        gate.limit(None);
        assert_eq!((ads.stream_limit(), gate.wanted()), (0, None));
    }
}
