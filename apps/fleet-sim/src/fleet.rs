//! Which clients are connected to which replica, when: attempts, admission, restarts, shares. None
//! of it depends on what replicas push, so it is worked out for the whole fleet first, and then
//! each replica runs by itself.

use crate::admission::Admission;
use crate::random::{below, draw, unit};
use crate::setting::{SECOND, Setting};
use crate::share::{Pace, Place, shed};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Shares and drains are looked at so often, and events are sorted by it.
const TICK: u64 = SECOND / 10;
/// The unit of times in a replica's script, in microseconds.
const GRAIN: u64 = 100;
const NOWHERE: u16 = u16::MAX;
/// Up to 200 ms until a client that has lost its connection tries again.
const AGAIN: u64 = SECOND / 5;

/// A client comes or leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    at: u32,
    what: u32,
}

impl Move {
    fn new(at: u64, client: u32, enters: bool) -> Self {
        Self { at: (at / GRAIN) as u32, what: client << 1 | u32::from(enters) }
    }

    pub(crate) fn at(self) -> u64 {
        u64::from(self.at) * GRAIN
    }

    pub(crate) fn client(self) -> u32 {
        self.what >> 1
    }

    pub(crate) fn enters(self) -> bool {
        self.what & 1 == 1
    }
}

/// What an operator, or fate, does to a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is gone at once.
    Die,
    /// It ends its streams one after another.
    Drain,
    /// It is there again, without clients.
    Return,
}

/// The fleet at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: u64,
    /// Clients without a stream.
    pub(crate) away: usize,
    /// Clients of the fullest replica, and of the emptiest that serves.
    pub(crate) most: usize,
    pub(crate) least: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Story {
    /// By replica.
    pub(crate) moves: Vec<Vec<Move>>,
    pub(crate) samples: Vec<Sample>,
    /// Attempts that were refused, and streams that were ended to keep to the share.
    pub(crate) refused: u64,
    pub(crate) shed: u64,
    /// The longest that a client was away.
    pub(crate) longest: u64,
}

#[derive(Clone, Copy)]
struct Client {
    replica: u16,
    attempts: u8,
    /// Which of its streams this is.
    stream: u8,
    /// Since when it is away, in grains.
    since: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    /// Within the tick.
    at: u32,
    client: u32,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Attempt,
    Enter(u16),
    /// Its stream of this number has reached its age.
    Aged(u8),
}

struct Replica {
    serves: bool,
    /// Clients at the beginning of the drain, how many of them have gone, and when it began.
    drain: Option<(usize, usize, u64)>,
    count: usize,
    /// `count` as its record has it.
    told: usize,
    admission: Admission,
    pace: Pace,
    /// Streams in the order in which they came; those that have ended may still be there.
    streams: Vec<(u32, u8)>,
    /// Up to here all have ended.
    gone: usize,
}

struct Fleet<'a> {
    setting: &'a Setting,
    /// When virtual time begins.
    epoch: Instant,
    now: u64,
    clients: Vec<Client>,
    replicas: Vec<Replica>,
    serving: Vec<u16>,
    /// By tick.
    events: Vec<Vec<Event>>,
    /// Events of the present tick, to come.
    present: BinaryHeap<Reverse<Event>>,
    away: usize,
    story: Story,
}

/// What becomes of the fleet until `end`. `fates` are in order of time.
pub(crate) fn story(setting: &Setting, fates: &[(u64, usize, Fate)], end: u64) -> Story {
    let clients = setting.all_clients();
    let epoch = Instant::now();
    let replica = |at: usize| Replica {
        serves: true,
        drain: None,
        count: setting.clients,
        told: setting.clients,
        admission: Admission::default(),
        pace: Pace::new(epoch),
        streams: (0..setting.clients).map(|of| ((at * setting.clients + of) as u32, 0)).collect(),
        gone: 0,
    };
    let mut fleet = Fleet {
        setting,
        epoch,
        now: 0,
        clients: (0..clients)
            .map(|at| Client {
                replica: (at / setting.clients) as u16,
                attempts: 0,
                stream: 0,
                since: 0,
            })
            .collect(),
        replicas: (0..setting.replicas).map(replica).collect(),
        serving: (0..setting.replicas as u16).collect(),
        events: vec![Vec::new(); (end / TICK) as usize + 1],
        present: Default::default(),
        away: 0,
        story: Story { moves: vec![Vec::new(); setting.replicas], ..Story::default() },
    };
    // Connections of all ages.
    for client in 0..clients as u32 {
        let age = below(draw(3, client.into(), 0), setting.age);
        fleet.plan(age, client, What::Aged(0));
    }
    let mut fates = fates.iter().peekable();
    for tick in 0..fleet.events.len() {
        fleet.now = tick as u64 * TICK;
        while let Some((_, replica, fate)) = fates.next_if(|(at, ..)| *at <= fleet.now) {
            fleet.befall(*replica, *fate);
        }
        fleet.share();
        fleet.drain();
        if fleet.now.is_multiple_of(SECOND) {
            fleet.sample();
        }
        let present = std::mem::take(&mut fleet.events[tick]);
        fleet.present.extend(present.into_iter().map(Reverse));
        while let Some(Reverse(event)) = fleet.present.pop() {
            fleet.now = tick as u64 * TICK + u64::from(event.at);
            fleet.happen(event);
        }
    }
    fleet.story
}

impl Fleet<'_> {
    fn plan(&mut self, at: u64, client: u32, what: What) {
        let tick = (at / TICK) as usize;
        let event = Event { at: (at % TICK) as u32, client, what };
        if at / TICK == self.now / TICK && self.now > 0 {
            self.present.push(Reverse(event));
        } else if let Some(events) = self.events.get_mut(tick) {
            events.push(event);
        }
    }

    fn befall(&mut self, replica: usize, fate: Fate) {
        match fate {
            Fate::Return => self.replicas[replica].serves = true,
            Fate::Drain => {
                let it = &mut self.replicas[replica];
                it.serves = false;
                it.drain = Some((it.count, 0, self.now));
            }
            Fate::Die => {
                self.replicas[replica].serves = false;
                while let Some(client) = self.oldest(replica) {
                    self.end_stream(client);
                }
            }
        }
        let replicas = self.replicas.iter().zip(0..);
        self.serving = replicas.filter(|(it, _)| it.serves).map(|(_, at)| at).collect();
    }

    fn is_open(&self, replica: usize, (client, stream): (u32, u8)) -> bool {
        let it = self.clients[client as usize];
        usize::from(it.replica) == replica && it.stream == stream
    }

    fn oldest(&mut self, replica: usize) -> Option<u32> {
        loop {
            let it = *self.replicas[replica].streams.get(self.replicas[replica].gone)?;
            self.replicas[replica].gone += 1;
            if self.is_open(replica, it) {
                return Some(it.0);
            }
        }
    }

    fn youngest(&mut self, replica: usize) -> Option<u32> {
        while self.replicas[replica].streams.len() > self.replicas[replica].gone {
            let it = self.replicas[replica].streams.pop()?;
            if self.is_open(replica, it) {
                return Some(it.0);
            }
        }
        None
    }

    /// Each replica with more than its share lets some go.
    fn share(&mut self) {
        // What replicas know of one another is up to a second old.
        if self.now.is_multiple_of(SECOND) {
            self.replicas.iter_mut().for_each(|it| it.told = it.count);
        }
        let (limit, now) =
            (self.setting.limit as u64, self.epoch + Duration::from_micros(self.now));
        let all = self.replicas.iter().map(|it| it.told as u64).sum();
        let told = self.serving.iter().map(|at| self.replicas[usize::from(*at)].told as u64);
        let places: Vec<_> = told.map(|clients| Place { clients, limit }).collect();
        let rates = (self.setting.shed, self.setting.admissions as u32);
        for at in 0..self.serving.len() {
            let replica = usize::from(self.serving[at]);
            let it = &mut self.replicas[replica];
            let shed = shed((it.count as u64, limit), all, &places, rates);
            for _ in 0..it.pace.take(shed, now) {
                let Some(client) = self.youngest(replica) else { break };
                self.story.shed += 1;
                self.end_stream(client);
            }
        }
    }

    fn drain(&mut self) {
        for replica in 0..self.replicas.len() {
            let Some((count, gone, since)) = self.replicas[replica].drain else { continue };
            let due = (count as u64 * (self.now - since) / self.setting.drain) as usize;
            for _ in gone..due.min(count) {
                let Some(client) = self.oldest(replica) else { break };
                self.end_stream(client);
            }
            let left = (due < count).then_some((count, due, since));
            self.replicas[replica].drain = left;
        }
    }

    fn end_stream(&mut self, client: u32) {
        let now = self.now;
        let it = &mut self.clients[client as usize];
        let replica = usize::from(it.replica);
        it.replica = NOWHERE;
        it.attempts = 0;
        it.since = (now / GRAIN) as u32;
        let stream = it.stream;
        self.away += 1;
        self.replicas[replica].count -= 1;
        self.story.moves[replica].push(Move::new(now, client, false));
        let soon = below(draw(4, client.into(), stream.into()), AGAIN);
        self.plan(now + soon, client, What::Attempt);
    }

    fn happen(&mut self, Event { client, what, .. }: Event) {
        let it = self.clients[client as usize];
        match what {
            What::Aged(stream) if it.replica != NOWHERE && it.stream == stream => {
                self.end_stream(client);
            }
            What::Aged(_) => {}
            What::Attempt => self.attempt(client),
            What::Enter(replica) => self.enter(client, replica),
        }
    }

    /// The balancer sends it to any replica that serves, or to the emptiest of several.
    fn attempt(&mut self, client: u32) {
        let it = &mut self.clients[client as usize];
        it.attempts = it.attempts.saturating_add(1);
        let (attempts, stream) = (it.attempts, it.stream);
        let choices = (0..self.setting.choices).filter_map(|choice| {
            let lot = choice << 16 | u64::from(stream) << 8 | u64::from(attempts);
            let at = below(draw(5, client.into(), lot), self.serving.len() as u64);
            self.serving.get(at as usize).copied()
        });
        let emptiest = choices.min_by_key(|at| self.replicas[usize::from(*at)].count);
        let Some(replica) = emptiest else { return self.back_off(client) };
        match self.replicas[usize::from(replica)].admission.reserve(self.setting, self.now) {
            Some(turn) => self.plan(turn, client, What::Enter(replica)),
            None => self.back_off(client),
        }
    }

    /// As gRPC does: 1 s, each time 1.6 times as long, up to 120 s, a fifth more or less.
    fn back_off(&mut self, client: u32) {
        self.story.refused += 1;
        let it = self.clients[client as usize];
        let exact = 1.6_f64.powi(i32::from(it.attempts) - 1).min(120.0);
        let lot = draw(6, client.into(), u64::from(it.stream) << 8 | u64::from(it.attempts));
        let pause = exact * (0.8 + 0.4 * unit(lot)) * SECOND as f64;
        self.plan(self.now + pause as u64, client, What::Attempt);
    }

    fn enter(&mut self, client: u32, at: u16) {
        let replica = &mut self.replicas[usize::from(at)];
        if !replica.serves || replica.count >= self.setting.limit {
            return self.back_off(client);
        }
        replica.count += 1;
        let it = &mut self.clients[client as usize];
        it.replica = at;
        it.stream = it.stream.wrapping_add(1);
        let stream = it.stream;
        replica.streams.push((client, stream));
        self.away -= 1;
        let was_away = (self.now / GRAIN - u64::from(it.since)) * GRAIN;
        self.story.longest = self.story.longest.max(was_away);
        self.story.moves[usize::from(at)].push(Move::new(self.now, client, true));
        let lot = unit(draw(7, client.into(), stream.into()));
        let age = self.setting.age as f64 * (0.9 + 0.2 * lot);
        self.plan(self.now + age as u64, client, What::Aged(stream));
    }

    fn sample(&mut self) {
        let counts = || self.serving.iter().map(|at| self.replicas[usize::from(*at)].count);
        let sample = Sample {
            at: self.now,
            away: self.away,
            most: counts().max().unwrap_or(0),
            least: counts().min().unwrap_or(0),
        };
        self.story.samples.push(sample);
    }
}
