//! What can go wrong around the queue, does: handlers fail and hang, clients leave at the worst
//! moment, publishers die, limits vanish. Both adapters, and after each fault the same question:
//! has everything recovered?
//!
//! * `changes`: what is published; it can kill who merges it;
//! * `ledger`: who is owed what, and who has got what;
//! * `recovery`: what must be true after any fault;
//! * `handlers`, `clients`, `around`: the faults.

#[allow(dead_code, reason = "shared with the tests of the adapters, which use all of it")]
#[macro_use]
#[path = "../adapters/rig.rs"]
mod rig;

mod around;
mod changes;
mod clients;
mod dice;
mod handlers;
mod ledger;
mod recovery;

use changes::{Changes, request};
use pushlane::backlog::Shared;

type Load = Shared<Changes>;
