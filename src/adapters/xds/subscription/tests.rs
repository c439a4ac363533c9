//! A client that believes what it is told, and a subscription that is told what it says, in any
//! order of things.
//!
//! The client has its own end of the wire: what has been sent to it waits until it reads it, and
//! meanwhile it says what it likes, with the nonce that it has read last. It comes back on new
//! streams, with what it has. In the end it must have every resource that it wants in the newest
//! version that it hasn't refused, nothing that was removed, and an answer to everything that it
//! has asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::format;
use std::prelude::v1::*;

use proptest::prelude::*;
use prost::Message;

use super::{Nonce, Reply, Subscription, Unsent, Variant};
use crate::adapters::xds::change::Change;
use crate::adapters::xds::kinds::Kind;
use crate::adapters::xds::proto::{DeltaDiscoveryRequest, DiscoveryRequest, Status};
use crate::adapters::xds::resource::{Name, Resource, TypeUrl};
use crate::adapters::xds::sotw_request::SotwRequest;
use crate::adapters::xds::view::TypeSet;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// The bit of the wildcard in a set of names.
const STAR: u8 = 16;
/// In a CI run, over types and protocols: 15,000 sequences.
const CASES: u32 = 2_500;

#[derive(Clone, Debug)]
enum Step {
    /// A resource gets another version, or is removed.
    Change { name: usize, removed: bool },
    /// The client subscribes to this set of names.
    Subscribe(u8),
    /// What is due is sent, if nothing is unanswered: looked for by the keys that changed, or
    /// everywhere; removals kept back; no more than one resource.
    Push { hinted: bool, keep: bool, small: bool },
    /// The client reads a response and answers it; it may reject what is new.
    Read { rejects: bool },
    /// Its stream breaks, and it comes back with what it has.
    Reconnect { omits_held: bool, legacy: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let flag = any::<bool>;
    let rarely = || prop::bool::weighted(0.2);
    prop_oneof![
        5 => (0..NAMES.len(), flag()).prop_map(|(name, removed)| Step::Change { name, removed }),
        3 => prop_oneof![2 => 0..32_u8, 1 => Just(0)].prop_map(Step::Subscribe),
        6 => (flag(), rarely(), rarely())
            .prop_map(|(hinted, keep, small)| Step::Push { hinted, keep, small }),
        5 => rarely().prop_map(|rejects| Step::Read { rejects }),
        1 => (flag(), flag())
            .prop_map(|(omits_held, legacy)| Step::Reconnect { omits_held, legacy }),
    ]
}

struct World {
    type_url: TypeUrl,
    variant: Variant,
    subscription: Subscription,
    set: TypeSet,
    revision: u64,
    nonces: u64,
    /// What the queue holds for the client.
    changed: Vec<Name>,
    everything: bool,
    /// The client's: what it has, what it has refused, what it is subscribed to.
    has: BTreeMap<Name, Resource>,
    refused: Vec<Resource>,
    wants: u8,
    /// It asks for all by an empty list.
    legacy: bool,
    begun: bool,
    /// What it has asked for and heard nothing about.
    waits: BTreeSet<Name>,
    /// What it has not read yet.
    inbox: VecDeque<Unread>,
    nonce: String,
    /// The last that it has accepted, on any stream.
    version: String,
}

struct Unread {
    reply: Reply,
    /// It has unsubscribed from everything since.
    void: bool,
    /// What it has asked for anew since: it will be sent what there is, whatever it says of this.
    anew: BTreeSet<&'static str>,
}

fn names(wants: u8) -> Vec<String> {
    let star = (wants & STAR != 0).then(|| "*".into());
    let named = (0..NAMES.len()).filter(|at| wants & (1 << at) != 0).map(|at| NAMES[at].into());
    named.chain(star).collect()
}

fn without(all: &[String], others: &[String]) -> Vec<String> {
    all.iter().filter(|name| !others.contains(name)).cloned().collect()
}

impl World {
    fn new(type_url: &str, variant: Variant) -> Self {
        World {
            type_url: type_url.into(),
            variant,
            subscription: Subscription::new(type_url.into(), variant, Kind::of(type_url)),
            set: TypeSet::default(),
            revision: 1,
            nonces: 0,
            changed: Vec::new(),
            everything: false,
            has: BTreeMap::new(),
            refused: Vec::new(),
            wants: 0,
            legacy: false,
            begun: false,
            waits: BTreeSet::new(),
            inbox: VecDeque::new(),
            nonce: String::new(),
            version: String::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::of(&self.type_url)
    }

    fn is_complete(&self) -> bool {
        self.variant == Variant::Sotw && self.kind().complete
    }

    fn wants(&self, name: &str) -> bool {
        names(self.wants).iter().any(|wanted| wanted == "*" || wanted == name)
    }

    /// Whether it would hear of it if there were no such resource.
    fn is_told(&self) -> bool {
        self.variant == Variant::Delta || self.kind().complete || self.kind().stand_in
    }

    /// The client writes a request. It answers the response with this nonce, if any.
    fn say(&mut self, wants: u8, nonce: String, error_detail: Option<Status>, omits_held: bool) {
        let first = !core::mem::replace(&mut self.begun, true);
        let (before, now) = (names(if first { 0 } else { self.wants }), names(wants));
        let added = without(&now, &before);
        let covered = NAMES.into_iter().filter(|name| self.wants(name)).collect::<Vec<_>>();
        self.wants = wants;
        let anew = NAMES.into_iter().filter(|name| self.wants(name) && !covered.contains(name));
        let anew = anew.collect::<Vec<_>>();
        self.legacy &= wants == STAR;
        // What it doesn't want any more it forgets. If it asks again, it is sent what there is.
        let kept: BTreeSet<Name> =
            self.has.keys().filter(|name| self.wants(name)).cloned().collect();
        self.has.retain(|name, _| kept.contains(name));
        let refused = core::mem::take(&mut self.refused);
        self.refused = refused.into_iter().filter(|one| self.wants(one.name())).collect();
        let waits = core::mem::take(&mut self.waits);
        self.waits = waits.into_iter().filter(|name| self.wants(name)).collect();
        let type_url = self.type_url.to_string();
        let received = if self.variant == Variant::Sotw {
            let resource_names = if self.legacy { Vec::new() } else { now };
            self.refused.retain(|one| !added.iter().any(|name| name == one.name()));
            let new = added.iter().filter(|name| *name != "*" && !self.has.contains_key(&***name));
            self.waits.extend(new.map(|name| Name::from(&**name)));
            let request = DiscoveryRequest {
                type_url,
                resource_names,
                version_info: self.version.clone(),
                response_nonce: nonce,
                error_detail,
                node: None,
            };
            let request = request.encode_to_vec();
            self.subscription.sotw(&SotwRequest::decode(&request).unwrap()).unwrap()
        } else {
            let mut subscribe = if self.legacy { Vec::new() } else { added };
            let mut held = HashMap::new();
            if first {
                let all = self.has.values();
                held = all.map(|has| (has.name().into(), has.version().into())).collect();
                // (Of other types, to name nothing is to ask for all.)
                if omits_held && wants & STAR == 0 && !self.kind().wildcard {
                    subscribe.retain(|name| !self.has.contains_key(&**name));
                }
            }
            let named = subscribe.iter().filter(|name| *name != "*");
            self.waits.extend(named.map(|name| Name::from(&**name)));
            self.refused.retain(|one| !subscribe.iter().any(|name| name == one.name()));
            self.subscription.delta(&DeltaDiscoveryRequest {
                type_url,
                resource_names_subscribe: subscribe,
                resource_names_unsubscribe: without(&before, &names(wants)),
                initial_resource_versions: held,
                response_nonce: nonce,
                error_detail,
                ..Default::default()
            })
        };
        self.everything |= received.due;
        let unread = self.inbox.back().is_some_and(|last| !last.void);
        assert_eq!(received.abandoned, wants == 0 && unread);
        for unread in &mut self.inbox {
            unread.void |= wants == 0;
            unread.anew.extend(anew.iter().copied());
        }
    }

    fn subscribe(&mut self, wants: u8) {
        // Nothing is said before something is wanted; and an empty list can't end what an empty
        // list began.
        if wants == 0 && (!self.begun || self.legacy) {
            return;
        }
        let nonce = if self.variant == Variant::Sotw { self.nonce.clone() } else { String::new() };
        self.say(wants, nonce, None, false);
    }

    fn reconnect(&mut self, omits_held: bool, legacy: bool) {
        self.subscription = Subscription::new(self.type_url.clone(), self.variant, self.kind());
        self.inbox.clear();
        self.nonce.clear();
        self.changed.clear();
        self.refused.clear();
        self.waits.clear();
        (self.begun, self.everything) = (false, false);
        self.legacy = legacy && self.wants == STAR && self.kind().wildcard;
        if self.wants != 0 {
            self.say(self.wants, String::new(), None, omits_held);
        }
    }

    fn change(&mut self, name: usize, removed: bool) {
        let name = Name::from(NAMES[name]);
        self.revision += 1;
        self.set.changed_at = self.revision;
        self.changed.push(name.clone());
        if removed {
            self.set.resources.remove_mut(&name);
        } else {
            let version = format!("{}", self.revision);
            let resource =
                Resource::new(self.type_url.clone(), name.clone(), version.clone(), version);
            self.set.resources.insert_mut(name, resource);
        }
    }

    /// True: something was sent.
    fn push(&mut self, hinted: bool, keep: bool, small: bool) -> bool {
        if self.subscription.outstanding().is_some() {
            return false;
        }
        let nothing_unsent = self.subscription.unsent(&self.set) == Unsent::default();
        let (keys, everything) =
            (core::mem::take(&mut self.changed), core::mem::take(&mut self.everything));
        let hint = Change::of(&self.type_url, keys.clone(), self.revision);
        let hint = Some(&hint).filter(|_| hinted && !everything);
        let mut due = self.subscription.due(&self.set, hint);
        if !self.subscription.tells_removals() {
            self.subscription.forget(&core::mem::take(&mut due.gone));
        }
        assert!(!nothing_unsent || !due.has_news() && !due.has_removals(), "{due:?} is unsent");
        let cut = self.subscription.cut(&mut due, if small { 1 } else { 1 << 20 });
        let keep = keep && due.has_removals();
        if !due.has_news() && (keep || !due.has_removals()) {
            if keep {
                (self.changed, self.everything) = (keys, true);
            } else {
                self.subscription.looked(&self.set, self.revision);
            }
            return false;
        }
        if cut || keep {
            (self.changed, self.everything) = (keys, everything);
        }
        for resource in &due.changed {
            assert!(!self.refused.contains(resource), "{resource:?} has been refused");
        }
        self.nonces += 1;
        let revisions = (self.revision, self.revision);
        let reply =
            self.subscription.compose(&self.set, revisions, due, (keep, cut), Nonce(self.nonces));
        let one = reply.resources.len() + reply.removed.len() <= 1;
        assert!(!small || one || self.is_complete() || keep, "{reply:?} is not small");
        self.inbox.push_back(Unread { reply, void: false, anew: BTreeSet::new() });
        true
    }

    /// The client reads what was sent first, and answers it.
    fn read(&mut self, rejects: bool) {
        let Some(Unread { reply, void, anew }) = self.inbox.pop_front() else { return };
        if void && self.wants == 0 {
            return; // nor does it answer
        }
        self.nonce = reply.nonce.to_string();
        let complete = self.is_complete();
        let there = reply.resources.iter().map(|one| one.shared_name());
        let heard: Vec<Name> = there.chain(&reply.removed).cloned().collect();
        self.waits.retain(|name| !complete && !heard.contains(name));
        if rejects {
            // It keeps what it has of what is new; what is gone is gone.
            self.has.retain(|name, _| {
                (!complete || heard.contains(name)) && !reply.removed.contains(name)
            });
            let new = reply.resources.iter().filter(|new| self.has.get(new.name()) != Some(*new));
            // That it rejects what it had given up for lost counts for nothing.
            let counts = |name: &str| self.wants(name) && !anew.contains(name);
            let new: Vec<_> = new.filter(|new| !void && counts(new.name())).cloned().collect();
            self.refused.extend(new);
            let error = Status { code: 3, message: "no".into() };
            return self.say(self.wants, reply.nonce.to_string(), Some(error), false);
        }
        self.version = format!("{}", reply.revision);
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
        self.say(self.wants, reply.nonce.to_string(), None, false);
    }

    /// Nothing is owed any more: the client has what there is, but for what it has refused.
    fn check(&mut self) {
        for _ in 0..16 {
            while !self.inbox.is_empty() {
                self.read(false);
            }
            if !self.push(false, false, false) {
                break;
            }
        }
        assert!(self.inbox.is_empty() && !self.push(false, false, false), "it never ends");
        assert!(self.subscription.outstanding().is_none(), "it waits for an answer for ever");
        assert_eq!(self.subscription.unsent(&self.set), Unsent::default());
        for (name, there) in &self.set.resources {
            if self.wants(name) && !self.refused.contains(there) {
                assert_eq!(self.has.get(name), Some(there));
            }
        }
        for name in self.has.keys() {
            assert!(self.wants(name), "{name} is not wanted");
            let known =
                self.set.resources.contains_key(name) || !self.subscription.tells_removals();
            assert!(known, "{name} is gone");
        }
        if self.is_told() {
            let all = core::mem::take(&mut self.refused);
            let refused = |name: &Name| all.iter().any(|one| *one.name() == **name);
            self.waits.retain(|name| !refused(name));
            assert!(self.waits.is_empty(), "{:?} was never answered", self.waits);
        }
    }
}

fn run(type_url: &str, variant: Variant, steps: &[Step]) {
    let mut world = World::new(type_url, variant);
    world.subscribe(1);
    for step in steps {
        match *step {
            Step::Change { name, removed } => world.change(name, removed),
            Step::Subscribe(wants) => world.subscribe(wants),
            Step::Push { hinted, keep, small } => {
                world.push(hinted, keep, small);
            }
            Step::Read { rejects } => world.read(rejects),
            Step::Reconnect { omits_held, legacy } => world.reconnect(omits_held, legacy),
        }
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_client_ends_up_with_what_there_is(steps in prop::collection::vec(step(), 1..40)) {
        for type_url in [TypeUrl::CLUSTER, TypeUrl::ENDPOINTS, TypeUrl::ROUTES] {
            for variant in [Variant::Sotw, Variant::Delta] {
                run(type_url, variant, &steps);
            }
        }
    }
}

/// Known by an alias that it loses, it is none of the client's any more.
#[test]
fn a_resource_that_loses_its_alias_is_removed() {
    let type_url = TypeUrl::from(TypeUrl::VIRTUAL_HOST);
    let name = Name::from("rc/a");
    let host = |version| Resource::new(TypeUrl::VIRTUAL_HOST, "rc/a", version, "");
    let kind = Kind::of(&type_url);
    let mut subscription = Subscription::new(type_url.clone(), Variant::Delta, kind);
    let mut set = TypeSet::default();
    set.put(name.clone(), Some(host("1").with_aliases(["rc/www"])));
    subscription.delta(&DeltaDiscoveryRequest {
        resource_names_subscribe: ["rc/www".into()].into(),
        ..Default::default()
    });
    let due = subscription.due(&set, None);
    assert_eq!(due.changed.len(), 1);
    subscription.compose(&set, (1, 1), due, (false, false), Nonce(1));
    let answer = DeltaDiscoveryRequest { response_nonce: "1".into(), ..Default::default() };
    assert!(subscription.delta(&answer).answered.is_some());
    set.put(name.clone(), Some(host("2")));
    let hint = Change::of(&type_url, [name.clone()], 2);
    let due = subscription.due(&set, Some(&hint));
    assert_eq!((due.gone, due.changed.len()), ([name].into(), 0));
}
