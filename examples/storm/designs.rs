//! The three designs behind one face.

mod pushlane;
mod v1_1;
mod v1_4;

use crate::peers::walk::Timing;
use crate::request::Request;
use crate::world::{Notice, World};
use ::pushlane::debounce::Pace;
use clap::ValueEnum;

/// What a control plane's push path does: requests come in, pushes come out.
pub(crate) trait Design {
    /// A change: each client that is connected and concerned needs a push.
    fn publish(&mut self, request: Request, world: &mut World<'_>);

    /// Something happened to a client.
    fn notice(&mut self, notice: Notice, world: &mut World<'_>);

    /// Requests accepted for a client whose push hasn't begun, over all clients.
    fn backlog(&self) -> usize;

    /// How many clients wait for a push or are being pushed to, for a debounce that adapts to it.
    fn busy(&self) -> usize {
        0
    }

    /// What the design keeps for each of these, in bytes, apart from the request itself.
    fn entry_bytes(&self) -> usize;

    /// Whether hung clients hold every permit, so that no other client is served.
    fn is_stalled(&self, world: &World<'_>) -> bool;
}

/// A design, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Walk all connections, with timeouts and retries
    #[value(name = "v1_1")]
    V1_1,
    /// One merged request a client behind a mutex; the permit is held while sending
    #[value(name = "v1_4")]
    V1_4,
    /// Lock-free; scoped before queueing; the permit comes back before sending
    #[value(name = "pushlane")]
    Pushlane,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::V1_1, Self::V1_4, Self::Pushlane];

    /// As on the command line and in the report.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::V1_1 => "v1_1",
            Self::V1_4 => "v1_4",
            Self::Pushlane => "pushlane",
        }
    }
}

/// What the designs can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knobs {
    /// Permits of `v1_4` and of `pushlane`.
    pub(crate) limit: u32,
    /// Timers and bounds of `v1_1`.
    pub(crate) walk: Timing,
    /// Between two pushes of `pushlane` to one client.
    pub(crate) pace: Option<Pace>,
}

/// Makes a design that serves the clients of this world.
pub(crate) fn design<'a>(name: Name, knobs: Knobs, world: &World<'a>) -> Box<dyn Design + 'a> {
    match name {
        Name::V1_1 => Box::new(v1_1::WalkEveryone::new(knobs.walk, world)),
        Name::V1_4 => Box::new(v1_4::MergeForEach::new(knobs.limit, world)),
        Name::Pushlane => Box::new(pushlane::Mesh::new(knobs.limit, knobs.pace, world)),
    }
}
