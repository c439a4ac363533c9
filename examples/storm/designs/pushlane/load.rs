//! What is published: the mesh's request, and with it what this control plane wants to know of it
//! later.

use crate::request::{Carried, Numbers, meter};
use pushlane::backlog::{Everything, Merge};
use pushlane::mesh::{ConfigKey, PushRequest, Reason, Service};

/// A client has connected.
pub(super) const CONNECTED: Reason = Reason::new("connected");

/// So many changes for everyone came since the client's last push that they are not kept one by
/// one.
const OUTRUN: Reason = Reason::new("outrun");

/// A request, and the numbers of the requests that were merged into it. Shared between clients
/// until one of them has to merge.
#[derive(Debug)]
pub(super) struct Load {
    request: PushRequest,
    /// The oracle goes by them.
    numbers: Numbers,
}

impl Load {
    pub(super) fn new(request: PushRequest, numbers: Numbers) -> Self {
        let load = Self { request, numbers };
        meter(load.bytes());
        load
    }

    pub(super) fn request(&self) -> &PushRequest {
        &self.request
    }

    /// How many requests went into this one, at least one.
    pub(super) fn merged(&self) -> u64 {
        let everything = [CONNECTED, OUTRUN].map(|why| self.request.reasons().count(why));
        self.numbers.len() + everything.iter().map(|&count| u64::from(count)).sum::<u64>()
    }

    /// Whether it stands for all that there is when it is leased.
    pub(super) fn is_outrun(&self) -> bool {
        self.request.reasons().count(OUTRUN) > 0
    }

    /// The names themselves are shared by all requests.
    fn bytes(&self) -> isize {
        let configs = self.request.configs().len().unwrap_or(0) * size_of::<ConfigKey>();
        let services = self.request.services().len().unwrap_or(0) * size_of::<Service>();
        (size_of::<Self>() + configs + services + self.numbers.heap_bytes()) as isize
    }
}

impl Merge for Load {
    fn merge(&mut self, other: &Self) {
        meter(-self.bytes());
        self.request.merge(&other.request);
        self.numbers.union(&other.numbers);
        meter(self.bytes());
    }
}

impl Everything for Load {
    fn everything() -> Self {
        Self::new(PushRequest::everything().with_reason(OUTRUN), Numbers::default())
    }
}

impl Clone for Load {
    fn clone(&self) -> Self {
        Self::new(self.request.clone(), self.numbers.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        meter(-self.bytes());
    }
}

impl Carried for Load {
    fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn context(&self) -> u32 {
        self.request.version().map_or(0, |version| version as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::live_bytes;
    use pushlane::backlog::merge::check_laws;

    fn load(number: u32, namespace: &str) -> Load {
        let config = ConfigKey::new("route", namespace, "");
        Load::new(PushRequest::nothing().with_config(config), Numbers::one(number))
    }

    impl PartialEq for Load {
        fn eq(&self, other: &Self) -> bool {
            self.request == other.request && self.numbers == other.numbers
        }
    }

    #[test]
    fn merging_takes_both_in_and_does_not_depend_on_order() {
        let loads = [load(1, "a"), load(2, "b"), load(7, "a")];
        assert_eq!(check_laws(&loads), Ok(()));
        let mut all = loads[0].clone();
        loads[1..].iter().for_each(|load| all.merge(load));
        assert_eq!((all.request.configs().len(), all.merged()), (Some(2), 3));
    }

    #[test]
    fn memory_is_counted_while_it_is_held() {
        let before = live_bytes();
        let mut a = load(1, "a");
        let one = live_bytes() - before;
        a.merge(&load(2, "b"));
        assert!(live_bytes() - before > one);
        drop(a);
        assert_eq!(live_bytes(), before);
    }
}
