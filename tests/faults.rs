//! What can go wrong around the queue, does: handlers fail and hang, clients leave at the worst moment,
//! publishers die, limits vanish. Both adapters, and after each fault the same question: has everything
//! recovered?
//!
//! * `changes`: what is published; it can kill who merges it;
//! * `ledger`: who is owed what, and who has got what;
//! * `recovery`: what must be true after any fault;
//! * `handlers`, `clients`, `around`: the faults.

#[allow(dead_code, reason = "shared with the tests of the adapters, which use all of it")]
#[macro_use]
#[path = "adapters/rig.rs"]
mod rig;

#[path = "faults/around.rs"]
mod around;
#[path = "faults/changes.rs"]
mod changes;
#[path = "faults/clients.rs"]
mod clients;
#[path = "faults/dice.rs"]
mod dice;
#[path = "faults/handlers.rs"]
mod handlers;
#[path = "faults/ledger.rs"]
mod ledger;
#[path = "faults/recovery.rs"]
mod recovery;

use changes::{Changes, request};
use pushlane::backlog::Shared;

type Load = Shared<Changes>;
