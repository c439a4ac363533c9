//! Clients come, subscribe, and go. Each client has one thread that does this to it, as a
//! connection does.

use pushlane::ready::ReadySet;
use pushlane::{ClientKey, RegisterError, Target};

use crate::kinds::Kind;
use crate::oracle::{ALL, FIRST_TOPIC, FIXED, LOOSE, topic_of};
use crate::tally::Op;
use crate::worker::Worker;

/// Clients that one thread lets in, at most.
const GUESTS: usize = 24;

/// The clients that a thread sees to.
#[derive(Default)]
pub(crate) struct Mine {
    /// The clients that stay.
    staying: Vec<Resident>,
    /// The clients that come and go, while they are there.
    pub(crate) guests: Vec<ClientKey>,
    gone: Option<ClientKey>,
}

struct Resident {
    client: ClientKey,
    loose: [Subscription; LOOSE],
}

/// A topic that the client is subscribed to now and then.
#[derive(Clone, Copy, Default)]
struct Subscription {
    /// What is newer is owed; `None` while it is not subscribed.
    since: Option<u32>,
    /// At least this has to arrive.
    owed: u32,
}

impl Subscription {
    /// What was published while it lasted is owed. `returned`: the newest publish that had returned
    /// when it was still subscribed.
    fn until(&mut self, returned: u32) {
        if self.since.take().is_some_and(|since| returned > since) {
            self.owed = self.owed.max(returned);
        }
    }
}

impl Mine {
    pub(crate) fn new(staying: impl Iterator<Item = ClientKey>) -> Self {
        let staying = staying.map(|client| Resident { client, loose: Default::default() });
        Mine { staying: staying.collect(), ..Mine::default() }
    }

    /// Each loose topic of each client that stays: client, stream, and the least that must have
    /// arrived in the end. `returned` says of a stream which publish had returned last.
    pub(crate) fn owed(
        &self,
        returned: impl Fn(usize) -> u32,
    ) -> impl Iterator<Item = (ClientKey, usize, u32)> {
        self.staying.iter().flat_map(move |resident| {
            let owed = resident.loose.iter().enumerate().map(|(topic, subscription)| {
                let (stream, mut subscription) = (FIRST_TOPIC + FIXED + topic, *subscription);
                subscription.until(returned(stream));
                (resident.client, stream, subscription.owed)
            });
            owed.collect::<Vec<_>>()
        })
    }
}

impl<B: Kind, R: ReadySet> Worker<'_, B, R> {
    /// A client to publish to: one that stays, or a guest of one's own.
    pub(crate) fn someone(&mut self) -> ClientKey {
        let guests = &self.mine.guests;
        if !guests.is_empty() && self.dice.once_in(8) {
            guests[self.dice.roll(guests.len())]
        } else {
            self.scene.staying[self.dice.roll(self.scene.staying.len())]
        }
    }

    /// Subscribes a client that stays to a loose topic, or ends that.
    pub(crate) fn edit(&mut self) {
        let scene = self.scene;
        if self.mine.staying.is_empty() {
            return;
        }
        let resident = self.dice.roll(self.mine.staying.len());
        let topic = self.dice.roll(LOOSE);
        let stream = FIRST_TOPIC + FIXED + topic;
        let Resident { client, ref mut loose } = self.mine.staying[resident];
        let subscription = &mut loose[topic];
        let edited = if subscription.since.is_some() {
            subscription.until(scene.oracle.begun_and_returned(stream).1);
            self.share.count(Op::Unsubscribe);
            scene.queue.unsubscribe(client, topic_of(stream))
        } else {
            let edited = scene.queue.subscribe(client, topic_of(stream));
            subscription.since = Some(scene.oracle.begun_and_returned(stream).0);
            self.share.count(Op::Subscribe);
            edited
        };
        if let Err(refused) = edited {
            self.violation(format!("{client}, which stays, {refused}"));
        }
    }

    pub(crate) fn come_or_go(&mut self) {
        let guests = self.mine.guests.len();
        if guests > 0 && (guests == GUESTS || self.dice.once_in(2)) {
            let client = self.mine.guests.swap_remove(self.dice.roll(guests));
            self.share.count(Op::Unregister);
            if self.scene.queue.unregister(client).is_err() {
                self.violation(format!("{client} had left before it left"));
            }
            self.mine.gone = Some(client);
        } else {
            self.come();
        }
    }

    /// A newcomer registers first, and then reads the state it starts from; or it starts with a
    /// push.
    fn come(&mut self) {
        let scene = self.scene;
        let (registered, streams) = if self.dice.once_in(2) {
            (scene.queue.register(), u32::MAX)
        } else {
            let lane = self.lane();
            (scene.queue.register_with(lane, B::request(ALL)), !(1 << ALL))
        };
        match registered {
            Ok(client) => {
                self.share.count(Op::Register);
                scene.oracle.arrive(client, &scene.oracle.read(client, streams));
                if client.index() < scene.staying.len() {
                    self.violation(format!("{client} has the place of one who stays"));
                }
                self.mine.guests.push(client);
            }
            Err(RegisterError::Full) => self.share.count(Op::RegisterFull),
            Err(refused) => self.violation(format!("register: {refused}")),
        }
    }

    /// The key of the client that left last is stale.
    pub(crate) fn publish_to_the_gone(&mut self) {
        let Some(client) = self.mine.gone else { return };
        let lane = self.lane();
        let published = self.scene.queue.publish(Target::One(client), lane, B::request(0));
        self.share.count(Op::PublishStale);
        if published.is_ok() || self.scene.queue.unregister(client).is_ok() {
            self.violation(format!("{client} has left, and is treated as if it had not"));
        }
        self.share.count(Op::Unregister);
        self.share.count(Op::Subscribe);
        if self.scene.queue.subscribe(client, topic_of(FIRST_TOPIC)).is_ok() {
            self.violation(format!("{client} has left, and subscribes"));
        }
    }
}
