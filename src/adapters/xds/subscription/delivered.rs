//! What a client has, as far as it can be known, and what it has rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::prelude::v1::*;

use super::held::Held;
use crate::adapters::xds::proto::Status;
use crate::adapters::xds::resource::{Name, Resource};

/// What a client has of one type.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// What it has, or will have when it accepts the outstanding response.
    sent: Held,
    /// What it has refused. Not sent to it again.
    rejected: BTreeMap<Name, Resource>,
    outstanding: Option<Sent>,
    /// In a response that was given up: the client may yet read them, until it answers a later one.
    coming: Vec<Name>,
    /// Something is kept that the client has unsubscribed from, because it is on its way.
    pub(super) lingering: bool,
    /// The client may have something that isn't known: from an earlier stream, or from a response
    /// that was given up.
    pub(super) may_have_more: bool,
    /// The newest revision of which all that concerns the client has been answered.
    pub(super) covered: u64,
}

/// A response that waits for its answer.
#[derive(Debug)]
pub(in crate::adapters::xds) struct Sent {
    pub(in crate::adapters::xds) revision: u64,
    /// All that had changed up to this revision is in it, or was sent before.
    covers: u64,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    before: Option<Resource>,
    after: Resource,
}

/// How a response was answered.
#[derive(Debug, PartialEq)]
pub(in crate::adapters::xds) struct Answered {
    /// All that had changed up to this revision had been answered before: what was rejected came
    /// later.
    pub(in crate::adapters::xds) after: u64,
    /// The revision of the response.
    pub(in crate::adapters::xds) revision: u64,
    /// The client's reason to reject it, and what it has rejected.
    pub(in crate::adapters::xds) rejected: Option<(Status, Vec<Resource>)>,
}

/// What is to be sent.
#[derive(Debug, Default, PartialEq)]
pub(in crate::adapters::xds) struct Due {
    pub(in crate::adapters::xds) changed: Vec<Resource>,
    /// The client has it, and there is no such resource any more.
    pub(in crate::adapters::xds) gone: Vec<Name>,
    /// The client has asked for it, doesn't have it, and there is no such resource.
    pub(in crate::adapters::xds) unknown: Vec<Name>,
    /// State of the world: what stands in for resources that the client has asked for and that
    /// don't exist. It counts as a removal.
    pub(in crate::adapters::xds) stand_ins: Vec<Resource>,
    /// A response is due even if it is empty.
    pub(in crate::adapters::xds) answer: bool,
}

impl Due {
    pub(in crate::adapters::xds) fn has_news(&self) -> bool {
        self.answer || !self.changed.is_empty() || !self.unknown.is_empty()
    }

    pub(in crate::adapters::xds) fn has_removals(&self) -> bool {
        !self.gone.is_empty() || !self.stand_ins.is_empty()
    }
}

impl Delivered {
    pub(super) fn outstanding(&self) -> Option<&Sent> {
        self.outstanding.as_ref()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.sent.get(name).is_some()
    }

    /// What the client has of this name, known or not.
    pub(super) fn get(&self, name: &str) -> Option<&Resource> {
        self.sent.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.sent.names()
    }

    /// What was sent on this stream, and is the client's as far as it is known.
    pub(super) fn sent_here(&self) -> impl Iterator<Item = &Resource> {
        self.sent.iter().filter(|resource| resource.is_known())
    }

    /// The outstanding response concerns the client no more. True: there was one.
    pub(super) fn abandon(&mut self) -> bool {
        let Some(sent) = self.outstanding.take() else { return false };
        self.coming.extend(sent.steps.iter().map(|step| step.after.shared_name().clone()));
        self.may_have_more = true;
        true
    }

    /// What the client has of this name, if it is known by its bytes.
    pub(super) fn last(&self, name: &str) -> Option<Resource> {
        self.sent.get(name).filter(|resource| resource.is_known()).cloned()
    }

    /// The client says that it has it from before.
    pub(super) fn hold(&mut self, resource: Resource) {
        self.sent.insert(resource);
    }

    /// The client doesn't have these any more.
    pub(super) fn forget(&mut self, names: &[Name]) {
        for name in names {
            self.sent.remove(name);
            self.rejected.remove(name);
        }
    }

    /// The client doesn't have what it doesn't subscribe to any more, and if it asks again, it is
    /// sent what there is.
    ///
    /// What is still on its way to it, it may have all the same, if it has asked again by the time
    /// it reads it.
    pub(super) fn keep_only(&mut self, covered: impl Fn(&Resource) -> bool) {
        self.rejected.retain(|_, resource| covered(resource));
        let steps = self.outstanding.iter().flat_map(|sent| &sent.steps).map(|step| &step.after);
        let steps = steps.filter(|after| !covered(after)).map(Resource::shared_name);
        let coming: BTreeSet<&Name> = steps.chain(&self.coming).collect();
        let mut lingering = false;
        self.sent.retain(|resource| {
            let covered = covered(resource);
            let keep = covered || coming.contains(resource.shared_name());
            if keep && !covered {
                *resource = resource.of_no_version();
                lingering = true;
            }
            keep
        });
        self.lingering = lingering;
    }

    /// What was rejected of this name may be sent again.
    pub(super) fn pardon(&mut self, name: &str) {
        self.rejected.remove(name);
    }

    pub(super) fn is_quarantined(&self) -> bool {
        !self.rejected.is_empty()
    }

    fn is_rejected(&self, there: &Resource) -> bool {
        self.rejected.get(there.name()).is_some_and(|rejected| rejected.same(there))
    }

    /// What the client can be sent for a name: not what it has rejected.
    pub(super) fn acceptable(&self, name: &str, there: &Resource) -> Option<Resource> {
        if self.is_rejected(there) { self.last(name) } else { Some(there.clone()) }
    }

    /// Compares one name: `there` is what it is to have.
    pub(super) fn look(&self, name: &Name, there: Option<&Resource>, asked: bool, due: &mut Due) {
        match (there, self.sent.get(name)) {
            (None, Some(_)) => due.gone.push(name.clone()),
            (None, None) if asked => due.unknown.push(name.clone()),
            (None, None) => {}
            (Some(there), _) if asked => due.changed.extend(self.acceptable(name, there)),
            (Some(there), Some(sent)) if sent.same(there) => {}
            (Some(there), _) if self.is_rejected(there) => {}
            (Some(there), _) => due.changed.push(there.clone()),
        }
    }

    /// What was due has been sent; removals too, unless they were kept back.
    pub(super) fn sent(&mut self, due: Due, keep: bool, revision: u64, covers: u64) {
        let mut steps = Vec::new();
        for after in due.changed {
            let before = self.sent.insert(after.clone());
            // A version that is new lifts the quarantine of the one before.
            let last = before.as_ref().filter(|before| before.is_known());
            if last.is_none_or(|last| !last.same(&after)) {
                self.rejected.remove(after.shared_name());
            }
            steps.push(Step { before, after });
        }
        if !keep {
            self.forget(&due.gone);
        }
        self.outstanding = Some(Sent { revision, covers, steps });
    }

    /// The outstanding response is answered.
    pub(super) fn answered(&mut self, error: Option<&Status>) -> Option<Answered> {
        let sent = self.outstanding.take()?;
        self.coming.clear();
        let after = self.covered;
        self.cover(sent.covers);
        let rejected =
            error.map(|status| (status.clone(), self.reject(sent.steps, &status.message)));
        Some(Answered { after, revision: sent.revision, rejected })
    }

    /// All that had changed up to this revision has been answered, or was none of the client's
    /// business.
    pub(super) fn cover(&mut self, revision: u64) {
        self.covered = self.covered.max(revision);
    }

    /// Clients apply what is good of a response and say what is not. If the reason names some of
    /// the resources, it is those; if it names none, all of them are suspect.
    fn reject(&mut self, steps: Vec<Step>, reason: &str) -> Vec<Resource> {
        let blamed = |step: &Step| mentions(reason, step.after.name());
        let named = steps.iter().any(blamed);
        let mut rejected = Vec::new();
        for step in steps.into_iter().filter(|step| !named || blamed(step)) {
            let name = step.after.shared_name().clone();
            let repeated = step.before.as_ref().is_some_and(|before| before.same(&step.after));
            // If it has unsubscribed meanwhile, or asked anew, that counts for what it has and will
            // be sent.
            if self.sent.get(&name).is_some_and(|sent| sent.same(&step.after)) {
                match step.before {
                    Some(before) => self.sent.insert(before),
                    None if self.may_have_more => self.sent.insert(step.after.of_no_version()),
                    None => self.sent.remove(&name),
                };
                // What was sent once more in place of a version that it has rejected doesn't lift
                // that.
                if !repeated || !self.rejected.contains_key(&name) {
                    self.rejected.insert(name, step.after.clone());
                }
            }
            rejected.push(step.after);
        }
        rejected
    }
}

/// Whether a text contains a name as a word: `b` is not in `web`.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let mut after = text[at + name.len()..].chars();
            let inside = match after.next() {
                // A full stop or a colon may follow as punctuation.
                Some('.' | ':') => after.next().is_some_and(part),
                next => next.is_some_and(part),
            };
            !before.is_some_and(part) && !inside
        })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_name_is_mentioned_as_a_word() {
        for text in ["b", "error: b: bad", "'b' is bad", "listener(s) b.", "[\"b\"]", "b"] {
            assert!(mentions(text, "b"), "{text}");
        }
        for text in ["", "web", "b1", "a-b", "ns/b", "b.local", "bb b-x"] {
            assert!(!mentions(text, "b"), "{text}");
        }
        assert!(!mentions("anything", ""));
    }
}
