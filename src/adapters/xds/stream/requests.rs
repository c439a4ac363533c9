//! What a client says: subscriptions, and answers to responses.

use std::format;
use std::string::String;
use std::sync::Arc;

use ::tokio::time::Instant;
use tonic::Status;

use super::Stream;
use super::entry::{Entry, Push};
use crate::adapters::xds::acked::Nack;
use crate::adapters::xds::order;
use crate::adapters::xds::resource::TypeUrl;
use crate::adapters::xds::state::Route;
use crate::adapters::xds::status::NackStatus;
use crate::adapters::xds::subscription::{Answered, Moved, Received, Subscription};
use crate::adapters::xds::wire::Wire;
use crate::error::RegisterError;

impl Stream {
    pub(super) fn request<W: Wire>(&mut self, message: &[u8]) -> Result<(), Status> {
        let mut request = W::decode(message)?;
        self.server.counters.requests.one();
        let node = W::node(&mut request);
        if self.view.is_none() {
            let mut node =
                node.ok_or_else(|| Status::invalid_argument("the first request has no node"))?;
            let view = self.belongs_to(&node)?;
            self.look_at(&view);
            let extensions = core::mem::take(&mut node.extensions);
            let _ = self.info.extensions.set(self.server.extensions.share(extensions));
            let _ = self.info.node.set(node);
        }
        let longest = self.server.limits.name_bytes;
        let type_url = W::type_url(&request);
        if type_url.is_empty() {
            return Err(Status::invalid_argument("the request has no type_url"));
        }
        let names = [W::longest(&request), type_url.as_bytes()];
        if let Some(name) = names.into_iter().find(|name| name.len() > longest) {
            let head: String = String::from_utf8_lossy(name).chars().take(32).collect();
            return Err(Status::invalid_argument(format!(
                "a name of {} bytes, {head:?}...: {longest} are allowed",
                name.len()
            )));
        }
        self.sooner |= self.shared.seen(W::held(&request));
        let at = self.entry::<W>(type_url)?;
        let entry = &mut self.types[at];
        let received = W::read(&mut entry.subscription, &request)?;
        if received.stale {
            self.server.counters.stale.one();
        }
        let (now, most) = (self.subscriptions(), self.server.limits.subscriptions);
        if now > most && received.moved.added.len() > received.moved.left.len() {
            // What its end gives up, it must have taken.
            self.moved(at, received.moved);
            return Err(Status::resource_exhausted(format!(
                "the stream subscribes to {now} names: {most} are allowed"
            )));
        }
        self.received(at, received);
        Ok(())
    }

    fn subscriptions(&self) -> usize {
        self.types.iter().map(|entry| entry.subscription.interest.names.len()).sum()
    }

    /// Where the type's subscription is; a new one if it is the first request for it.
    fn entry<W: Wire>(&mut self, type_url: &str) -> Result<usize, Status> {
        if let Some(at) =
            self.types.iter().position(|entry| *entry.subscription.type_url == *type_url)
        {
            return Ok(at);
        }
        let most = self.server.limits.types;
        if self.types.len() >= most {
            return Err(Status::resource_exhausted(format!(
                "{most} types are allowed on a stream"
            )));
        }
        // Registered first, subscribed then, and only then is the snapshot read.
        let key = self.server.queue.register().map_err(|error| match error {
            RegisterError::Full => Status::resource_exhausted("the server is full"),
            RegisterError::Closed => Status::unavailable("the server is being drained"),
        })?;
        let type_url = TypeUrl::from(type_url);
        self.server.route(Route { key, info: Arc::clone(&self.info), type_url: type_url.clone() });
        let rank = order::rank(&type_url);
        let at = self.types.partition_point(|entry| entry.rank <= rank);
        let kind = self.server.kinds.of(&type_url);
        let subscription = Subscription::new(type_url.clone(), W::VARIANT, kind);
        let (push, ttl, refresh) = (Push::None, None, None);
        let entry = Entry { rank, subscription, key, push, ttl, refresh };
        self.types.reserve_exact(1);
        self.types.insert(at, entry);
        if let Some(view) = &self.view {
            self.types[at].look_at(&self.server, view);
        }
        Ok(at)
    }

    /// A request has been read into the subscription.
    fn received(&mut self, at: usize, received: Received) {
        let Received { answered, moved, due, abandoned, held, .. } = received;
        let repeats = answered.is_some() && moved.is_nothing();
        if let Some(answered) = answered {
            self.answered(at, answered);
        }
        if abandoned
            && let Push::Sent { lease, .. } =
                core::mem::replace(&mut self.types[at].push, Push::None)
        {
            let type_url = &self.types[at].subscription.type_url;
            self.info.note(type_url, |progress| progress.answered = true);
            lease.complete();
        }
        if !held.is_empty() {
            self.rewarm_held(at, held);
        }
        self.moved(at, moved);
        if due {
            self.types[at].ask(&self.server, []);
        }
        if repeats {
            return;
        }
        // Asked first: a type that can be seen of the stream is owed what it has asked for.
        let entry = &self.types[at];
        let interest = &entry.subscription.interest;
        self.info.note(&entry.subscription.type_url, |progress| {
            (progress.wildcard, progress.names) = (interest.wildcard, interest.names.len());
        });
    }

    fn moved(&mut self, at: usize, mut moved: Moved) {
        let Some(view) = &self.view else { return };
        let entry = &mut self.types[at];
        if !moved.added.is_empty()
            && let Some(snapshot) = view.snapshot()
        {
            let Subscription { type_url, interest, .. } = &mut entry.subscription;
            interest.share(&mut moved, snapshot.of_type(type_url));
        }
        entry.moved(&self.server, view, &moved);
    }

    /// A response of this rank has been answered: whatever waits for that type begins to wait anew.
    /// The client plays along; it is only that clusters change faster than it takes them.
    fn patient(&mut self, rank: u8, now: Instant) {
        for entry in self.types.iter_mut().filter(|entry| order::renews(rank, entry.rank)) {
            if let Push::Held { since: Some(since), .. } = &mut entry.push {
                *since = now;
            }
        }
    }

    /// The client has accepted or rejected the type's last response.
    fn answered(&mut self, at: usize, answered: Answered) {
        let entry = &mut self.types[at];
        let Push::Sent { lease, at: sent, incomplete } =
            core::mem::replace(&mut entry.push, Push::None)
        else {
            return;
        };
        let (rank, now) = (entry.rank, Instant::now());
        self.patient(rank, now);
        let entry = &mut self.types[at];
        let (counters, type_url) = (&self.server.counters, &entry.subscription.type_url);
        let Answered { after, revision, rejected } = answered;
        counters.ack_micros.add((now - sent).as_micros() as u64);
        let nack = rejected
            .as_ref()
            .map(|(status, _)| NackStatus { revision, reason: status.message.clone() });
        let quarantined = entry.subscription.is_quarantined();
        self.info.note(type_url, |progress| {
            progress.answered = true;
            if nack.is_none() {
                progress.acked = Some(revision);
            }
            if nack.is_some() || !quarantined {
                progress.nack = nack;
            }
        });
        match rejected {
            None => counters.acks.one(),
            Some((status, resources)) => {
                counters.nacks.one();
                let resources = resources
                    .iter()
                    .map(|resource| (resource.shared_name().clone(), resource.version().into()));
                let nack = Nack {
                    stream: self.info.id,
                    node_id: self.info.node_id(),
                    view: self.view.as_ref().map_or_else(|| "".into(), |view| view.id.clone()),
                    type_url: type_url.clone(),
                    revision,
                    reason: status.message,
                    code: status.code,
                    resources: resources.collect(),
                    after,
                };
                // Before the lease ends, because the waiters look for it then.
                self.server.remember(&self.server.nacks, nack);
            }
        }
        if incomplete {
            lease.requeue();
        } else {
            lease.complete();
        }
    }
}
