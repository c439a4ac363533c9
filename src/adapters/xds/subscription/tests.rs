//! A client that believes what it is told, and a subscription that is told what it says, in any order of things.

use std::collections::BTreeMap;
use std::format;
use std::prelude::v1::*;

use proptest::prelude::*;

use super::{Reply, Subscription, Variant};
use crate::adapters::xds::change::Change;
use crate::adapters::xds::proto::{DeltaDiscoveryRequest, DiscoveryRequest, Status};
use crate::adapters::xds::resource::{Name, Resource, TypeUrl};
use crate::adapters::xds::view::TypeSet;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    /// A resource gets another version, or is removed.
    Change { name: usize, removed: bool },
    /// The client subscribes to this set of names: a bit each, and one for the wildcard.
    Subscribe(u8),
    /// What is due is sent, if nothing is unanswered. Looked for by the keys that changed, or everywhere.
    Push { hinted: bool },
    /// The client answers; it may reject what is new.
    Answer { rejects: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, removed)| Step::Change { name, removed }),
        2 => (0..32_u8).prop_map(Step::Subscribe),
        4 => any::<bool>().prop_map(|hinted| Step::Push { hinted }),
        4 => prop::bool::weighted(0.2).prop_map(|rejects| Step::Answer { rejects }),
    ]
}

struct World {
    subscription: Subscription,
    variant: Variant,
    set: TypeSet,
    revision: u64,
    changed: Vec<Name>,
    /// The client's: what it has, what it has refused, what it is subscribed to.
    has: BTreeMap<Name, Resource>,
    refused: Vec<Resource>,
    wants: u8,
    unanswered: Option<Reply>,
    nonce: String,
}

impl World {
    fn new(type_url: &str, variant: Variant) -> Self {
        let mut world = World {
            subscription: Subscription::new(type_url.into(), variant),
            variant,
            set: TypeSet::default(),
            revision: 1,
            changed: Vec::new(),
            has: BTreeMap::new(),
            refused: Vec::new(),
            wants: 0,
            unanswered: None,
            nonce: String::new(),
        };
        world.subscribe(1);
        world
    }

    fn names(wants: u8) -> Vec<String> {
        let star = (wants & 16 != 0).then(|| "*".into());
        let named = (0..NAMES.len()).filter(|at| wants & (1 << at) != 0).map(|at| NAMES[at].into());
        named.chain(star).collect()
    }

    fn wants(&self, name: &str) -> bool {
        Self::names(self.wants).iter().any(|wanted| wanted == "*" || wanted == name)
    }

    fn say(&mut self, wants: u8, nonce: String, error_detail: Option<Status>) {
        let type_url = self.subscription.type_url.to_string();
        let (before, now) = (Self::names(self.wants), Self::names(wants));
        self.wants = wants;
        if self.variant == Variant::Sotw {
            let resource_names = now;
            let request = DiscoveryRequest {
                type_url,
                resource_names,
                response_nonce: nonce,
                error_detail,
                ..Default::default()
            };
            assert!(self.subscription.sotw(&request).is_some(), "it is not stale");
        } else {
            let without = |all: &[String], others: &[String]| -> Vec<String> {
                all.iter().filter(|name| !others.contains(name)).cloned().collect()
            };
            let request = DeltaDiscoveryRequest {
                type_url,
                resource_names_subscribe: without(&now, &before),
                resource_names_unsubscribe: without(&before, &now),
                response_nonce: nonce,
                error_detail,
                ..Default::default()
            };
            self.subscription.delta(&request);
        }
        // What it doesn't want any more it forgets.
        let kept: Vec<Name> = self.has.keys().filter(|name| self.wants(name)).cloned().collect();
        self.has.retain(|name, _| kept.contains(name));
        // If it asks again, it is sent what there is.
        let refused = core::mem::take(&mut self.refused);
        self.refused = refused.into_iter().filter(|one| self.wants(one.name())).collect();
    }

    fn subscribe(&mut self, wants: u8) {
        // While a response is unread, an answer to the one before would be stale.
        if self.unanswered.is_none() || self.variant == Variant::Delta {
            let nonce =
                if self.variant == Variant::Sotw { self.nonce.clone() } else { String::new() };
            self.say(wants, nonce, None);
        }
    }

    fn change(&mut self, name: usize, removed: bool) {
        let name = Name::from(NAMES[name]);
        self.revision += 1;
        self.set.changed_at = self.revision;
        self.changed.push(name.clone());
        if removed {
            self.set.resources.remove(&name);
        } else {
            let version = format!("{}", self.revision);
            let resource = Resource::new(
                self.subscription.type_url.clone(),
                name.clone(),
                version.clone(),
                version,
            );
            self.set.resources.insert(name, resource);
        }
    }

    /// True: something was sent.
    fn push(&mut self, hinted: bool) -> bool {
        if self.unanswered.is_some() {
            return false;
        }
        let keys = core::mem::take(&mut self.changed);
        let hint = Change::of(&self.subscription.type_url, keys, self.revision);
        let hint = Some(&hint).filter(|_| hinted);
        let mut due = self.subscription.due(&self.set, hint);
        if !self.subscription.tells_removals() {
            self.subscription.forget(&core::mem::take(&mut due.gone));
        }
        if !due.has_news() && due.gone.is_empty() {
            self.subscription.looked(&self.set, self.revision);
            return false;
        }
        for resource in &due.changed {
            assert!(!self.refused.contains(resource), "{resource:?} has been refused");
        }
        let reply = self.subscription.compose(
            &self.set,
            self.revision,
            self.revision,
            due,
            false,
            self.revision,
        );
        self.nonce = reply.nonce.clone();
        self.unanswered = Some(reply);
        true
    }

    fn answer(&mut self, rejects: bool) {
        let Some(reply) = self.unanswered.take() else { return };
        let complete =
            self.variant == Variant::Sotw && self.subscription.type_url.is_complete_set();
        if rejects {
            // It keeps what it has of what is new; what is gone is gone.
            let sent: Vec<Name> =
                reply.resources.iter().map(|one| one.shared_name().clone()).collect();
            self.has.retain(|name, _| {
                let kept = sent.contains(name) || !complete;
                kept && !reply.removed.contains(name)
            });
            let new = reply.resources.iter().filter(|new| self.has.get(new.name()) != Some(*new));
            self.refused.extend(new.cloned());
            let error = Status { code: 3, message: "no".into() };
            return self.say(self.wants, reply.nonce, Some(error));
        }
        if complete {
            self.has.clear();
        }
        for resource in reply.resources {
            if self.wants(resource.name()) {
                self.has.insert(resource.shared_name().clone(), resource);
            }
        }
        for name in &reply.removed {
            self.has.remove(name);
        }
        self.say(self.wants, reply.nonce, None);
    }

    /// Nothing is owed any more: the client has what there is, but for what it has refused.
    fn check(&mut self) {
        self.answer(false);
        for _ in 0..8 {
            if !self.push(false) {
                break;
            }
            self.answer(false);
        }
        assert!(!self.push(false), "it is sent something for ever");
        assert_eq!(self.subscription.unsent(&self.set), super::Unsent::default());
        for (name, there) in &self.set.resources {
            if self.wants(name) && !self.refused.contains(there) {
                assert_eq!(self.has.get(name), Some(there));
            }
        }
        for name in self.has.keys() {
            let known =
                self.set.resources.contains_key(name) || !self.subscription.tells_removals();
            assert!(known, "{name} is gone");
        }
    }
}

fn run(type_url: &str, variant: Variant, steps: &[Step]) {
    let mut world = World::new(type_url, variant);
    for step in steps {
        match *step {
            Step::Change { name, removed } => world.change(name, removed),
            Step::Subscribe(wants) => world.subscribe(wants),
            Step::Push { hinted } => {
                world.push(hinted);
            }
            Step::Answer { rejects } => world.answer(rejects),
        }
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_client_ends_up_with_what_there_is(steps in prop::collection::vec(step(), 1..40)) {
        for type_url in [TypeUrl::CLUSTER, TypeUrl::ENDPOINTS] {
            for variant in [Variant::Sotw, Variant::Delta] {
                run(type_url, variant, &steps);
            }
        }
    }
}
