//! The run: the main loop leases, the interrupt publishes and leases too now and then, and the
//! ledger checks both.

use core::cell::RefCell;

use critical_section::Mutex;
use pushlane::ready::ConstReady;
use pushlane::storage::{Static, Storage};
use pushlane::{ClientKey, Config, Lane, Lease, PublishErrorKind, PushQueue, StaticQueue, Version};

use crate::bell::Bell;
use crate::board::{self, Stack};
use crate::chance::{Chance, SEED};
use crate::ledger::{Ledger, WATCHED};
use crate::main_loop::MainLoop;
use crate::moment::{Moments, Operation};
use crate::payload::{Flagged, Flags};
use crate::whom::{TOPICS, Whom};

/// Who publishes beside the main loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Publishers {
    /// The timer's interrupt.
    Interrupt,
    /// Nobody: for ready sets that are not made for interrupt handlers.
    MainLoop,
}

/// How many pushes the main loop has in progress at most.
pub(crate) const PERMITS: usize = 4;

/// What the interrupt and the main loop share, for as long as interrupts are off.
pub(crate) struct Shared<const CLIENTS: usize> {
    pub(crate) ledger: Ledger<CLIENTS>,
    chance: Chance,
    pub(crate) published: u32,
    /// The newest version of those to many.
    pub(crate) last: Option<Version>,
    /// Leases of the interrupt.
    nested: u32,
    /// What the limit is; `None` while the main loop changes it.
    pub(crate) limit: Option<usize>,
}

/// A queue of `CLIENTS` places in a `static`, and all that is known about it.
pub struct Trial<B, R, const BANKS: usize, const WORDS: usize, const CLIENTS: usize>
where
    B: Flagged + 'static,
    R: ConstReady + 'static,
{
    pub(crate) queue: Queue<B, R, BANKS, WORDS>,
    shared: Mutex<RefCell<Shared<CLIENTS>>>,
    /// A lease of the interrupt that a later one ends.
    kept: Mutex<RefCell<Option<Held<'static, B, R, BANKS, WORDS>>>>,
    pub(crate) moments: Moments,
    target: u32,
}

/// The ready set that a queue in place has, with one bit for each bank in so many words.
pub type Sweeping<const WORDS: usize> = <Static<1, 0, WORDS> as Storage>::Ready;

/// The queue of a trial.
pub(crate) type Queue<B, R, const BANKS: usize, const WORDS: usize> =
    StaticQueue<B, BANKS, TOPICS, WORDS, R, Bell>;

/// A lease of it.
pub(crate) type Held<'a, B, R, const BANKS: usize, const WORDS: usize> =
    Lease<&'a Queue<B, R, BANKS, WORDS>>;

impl<B, R, const BANKS: usize, const WORDS: usize, const CLIENTS: usize>
    Trial<B, R, BANKS, WORDS, CLIENTS>
where
    B: Flagged + 'static,
    R: ConstReady + 'static,
{
    /// A run of `target` publishes.
    pub const fn new(target: u32) -> Self {
        let config = Config::new(CLIENTS).permits(PERMITS);
        Trial {
            queue: PushQueue::const_with_signal(config, Bell::new()),
            shared: Mutex::new(RefCell::new(Shared {
                ledger: Ledger::new(B::ON_DEMAND),
                chance: Chance::new(SEED),
                published: 0,
                last: None,
                nested: 0,
                limit: Some(PERMITS),
            })),
            kept: Mutex::new(RefCell::new(None)),
            moments: Moments::new(),
            target,
        }
    }

    pub(crate) fn shared<T>(&self, act: impl FnOnce(&mut Shared<CLIENTS>) -> T) -> T {
        critical_section::with(|cs| act(&mut self.shared.borrow_ref_mut(cs)))
    }

    pub(crate) fn ledger<T>(&self, act: impl FnOnce(&mut Ledger<CLIENTS>) -> T) -> T {
        self.shared(|shared| act(&mut shared.ledger))
    }

    fn is_over(&self) -> bool {
        self.shared(|shared| shared.published >= self.target)
    }

    /// The interrupt: it asks about a version, publishes, and now and then leases and changes the
    /// limit.
    pub fn interrupt(&'static self, at: usize) {
        self.moments.strike(at);
        let again = self.shared(|shared| {
            let which = shared.chance.below(WATCHED as u32) as usize;
            let watched = shared.ledger.watched(which);
            if watched.is_some_and(|version| self.queue.is_converged(version)) {
                shared.ledger.converged(which);
            }
            if shared.published < self.target
                && let Some((whom, lane, flags)) = choose::<B, CLIENTS>(shared)
            {
                match whom.with_target(|target| self.queue.publish(target, lane, B::request(flags)))
                {
                    Ok(version) => {
                        assert_ne!(shared.last, Some(version), "a number twice");
                        if !matches!(whom, Whom::One(_)) {
                            shared.last = Some(version);
                        }
                        shared.published += 1;
                        shared.ledger.published(whom, flags, version);
                    }
                    Err(error) => {
                        let Whom::One(client) = whom else { panic!("{error}") };
                        assert!(error.kind == PublishErrorKind::Stale, "{error}");
                        shared.ledger.refused(client);
                    }
                }
            }
            if shared.chance.once_in(4) {
                for _ in 0..shared.chance.of_any_size(3) {
                    self.serve(shared);
                }
            }
            if shared.chance.once_in(16) && shared.limit.is_some() {
                let limit = 1 + shared.chance.below(PERMITS as u32) as usize;
                self.queue.set_permits(limit);
                shared.limit = Some(limit);
                shared.ledger.resized();
            }
            shared.chance.once_in(4).then(|| shared.chance.of_any_size(6))
        });
        // Now and then twice into one operation.
        if let Some(ticks) = again {
            board::arm(ticks);
        }
    }

    /// A lease inside the interrupt: to the main loop, another worker.
    fn serve(&'static self, shared: &mut Shared<CLIENTS>) {
        self.end_kept(shared);
        shared.ledger.begin_nested_lease();
        let Some(lease) = self.queue.try_lease() else { return };
        shared.nested += 1;
        shared.ledger.leased(lease.key(), B::flags(lease.request()), true);
        critical_section::with(|cs| self.kept.replace(cs, Some(lease)));
        if !shared.chance.once_in(4) {
            self.end_kept(shared);
        }
    }

    /// Whether the interrupt has a lease.
    pub(crate) fn is_kept(&self) -> bool {
        critical_section::with(|cs| self.kept.borrow_ref(cs).is_some())
    }

    /// Ends the interrupt's lease.
    pub(crate) fn end_kept(&self, shared: &mut Shared<CLIENTS>) {
        let Some(lease) = critical_section::with(|cs| self.kept.take(cs)) else { return };
        let key = lease.key();
        if shared.chance.once_in(4) {
            shared.ledger.requeueing(key, B::flags(lease.request()));
            lease.requeue();
            shared.ledger.ended(key);
        } else {
            let leaving = shared.ledger.completing(key);
            lease.complete();
            shared.ledger.completed(key, leaving);
        }
    }

    /// The main loop, until all is published and served. Panics where the queue goes wrong.
    pub fn run(&self, publishers: Publishers) {
        let stack = Stack::paint();
        let mut main = MainLoop::new(self);
        // Many times as many steps as it takes.
        for _ in 0..self.target.saturating_mul(64) {
            if self.is_over() {
                break;
            }
            main.step();
            // Before it shows as a mistake of the queue.
            assert!(!stack.is_full(), "the stack has grown into the statics");
        }
        assert!(self.is_over(), "the publishers stand still");
        main.be_still();
        main.finish();
        self.report(publishers);
        board::println!("{} bytes of stack never used", stack.left());
    }

    fn report(&self, publishers: Publishers) {
        let (published, nested) = self.shared(|shared| (shared.published, shared.nested));
        board::println!("{published} publishes, {CLIENTS} places: all delivered, all converged");
        if publishers == Publishers::MainLoop {
            return;
        }
        board::print!("{nested} leases by the interrupt; interrupts inside");
        for &operation in Operation::ALL {
            board::print!(" {operation:?} {}", self.moments.hits(operation));
        }
        board::println!();
        board::println!("before at least {} different instructions", self.moments.instructions());
        for &operation in Operation::ALL {
            let hits = self.moments.hits(operation);
            assert!(hits > 0, "no interrupt came inside {operation:?}");
        }
    }
}

/// Whom to publish what; `None` when there is nobody.
pub(crate) fn choose<B: Flagged, const CLIENTS: usize>(
    shared: &mut Shared<CLIENTS>,
) -> Option<(Whom, Lane, Flags)> {
    let chance = &mut shared.chance;
    let lane = if chance.once_in(3) { Lane::Urgent } else { Lane::Normal };
    let flags = 1 << chance.below(B::FLAGS);
    let whom = match chance.below(32) {
        0 => Whom::Everyone,
        1..5 => Whom::Topics(chance.below(1 << TOPICS) as u8, None),
        // Made on demand: that is what these runs are for.
        7..11 if B::ON_DEMAND => Whom::Everyone,
        5..7 => {
            let filter = chance.below(1 << TOPICS) as u8;
            Whom::Topics(chance.below(1 << TOPICS) as u8, Some(filter))
        }
        _ => Whom::One(any(&shared.ledger, chance)?),
    };
    Some((whom, lane, flags))
}

/// A registered client.
pub(crate) fn any<const CLIENTS: usize>(
    ledger: &Ledger<CLIENTS>,
    chance: &mut Chance,
) -> Option<ClientKey> {
    let live = ledger.live().count() as u32;
    // Half the time one of the last: they meet in one bank, and, where there are two words of
    // banks, the few in the second get their share.
    let before = if chance.once_in(2) { live.saturating_sub(8) } else { 0 };
    (live > 0).then(|| ledger.live().nth((before + chance.below(live - before)) as usize))?
}
