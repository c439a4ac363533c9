//! Lists that many clients have in common, kept once.

use std::collections::VecDeque;
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, PoisonError};

use super::proto::Extension;

/// How many different lists are looked for. Clients of one build say the same.
const BUILDS: usize = 16;

/// What clients say they can load. Envoy lists hundreds of extensions, and every Envoy of a build
/// the same ones.
#[derive(Default)]
pub(super) struct Extensions(Mutex<VecDeque<Arc<[Extension]>>>);

impl Extensions {
    /// The list, shared with the clients that have said the same lately.
    pub(super) fn share(&self, list: Vec<Extension>) -> Arc<[Extension]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| ***known == *list) {
            return Arc::clone(same);
        }
        if known.len() >= BUILDS {
            known.pop_front();
        }
        let list: Arc<[Extension]> = list.into();
        known.push_back(Arc::clone(&list));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_kept_once() {
        let list =
            |name: &str| Vec::from([Extension { name: name.into(), ..Extension::default() }]);
        let extensions = Extensions::default();
        let [a, b, c] = ["a", "b", "a"].map(|name| extensions.share(list(name)));
        assert!(Arc::ptr_eq(&a, &c) && !Arc::ptr_eq(&a, &b));
        (0..BUILDS).for_each(|at| drop(extensions.share(list(&at.to_string()))));
        assert!(!Arc::ptr_eq(&a, &extensions.share(list("a"))), "only the last are looked for");
    }
}
