//! Two publishers and two workers over ten thousand clients, and over so few that they all meet in
//! two banks, with an oracle that knows what has to arrive: nothing is lost, nothing converges
//! early or never, a client has one lease at a time, and permits are conserved. Bounded by work,
//! not by time.
//!
//! * `oracle`: what was published and what has arrived;
//! * `run`: the threads.

mod oracle;
mod run;

use std::collections::BTreeSet;
use std::sync::Arc;

use pushlane::SLOTS;
use pushlane::backlog::{Bits, Dirty, Shared};
use pushlane::ready::{Fifo, Sweep, WithBanks};

use run::{Beside, Load, Size, run};

impl Load for Dirty {
    fn request(_: usize) {}

    fn streams((): &()) -> u32 {
        u32::MAX
    }
}

impl Load for Bits<1> {
    fn request(stream: usize) -> [u32; 1] {
        [1 << stream]
    }

    fn streams([streams]: &[u32; 1]) -> u32 {
        *streams
    }
}

impl Load for Shared<BTreeSet<u8>> {
    fn request(stream: usize) -> Arc<BTreeSet<u8>> {
        Arc::new([stream as u8].into())
    }

    fn streams(payload: &Arc<BTreeSet<u8>>) -> u32 {
        payload.iter().fold(0, |all, stream| all | 1 << stream)
    }
}

/// Many clients, most of them idle at any time.
const WIDE: Size = Size { clients: 10_000, publishes: 20_000, fan_out: 1_000 };

/// So few clients that all threads meet in the same two banks. They live shortly, because the next
/// publish to a client hides what the last one lost.
const NARROW: Size = Size { clients: SLOTS + 4, publishes: 400, fan_out: 10 };
const LIVES: u64 = 60;

fn wide<B, R>(beside: Beside, seed: u64)
where
    B: Load<Request: Send, Payload: Send + Sync, Cells: Send + Sync>,
    R: WithBanks + Sync,
{
    run::<B, R>(WIDE, beside, seed);
}

fn narrow<B, R>(beside: Beside, seed: u64)
where
    B: Load<Request: Send, Payload: Send + Sync, Cells: Send + Sync>,
    R: WithBanks + Sync,
{
    for life in 0..LIVES {
        run::<B, R>(NARROW, beside, seed * LIVES + life);
    }
}

type Sets = Shared<BTreeSet<u8>>;

macro_rules! runs {
    ($($order:ident: $ready:ty),*) => {$(
        mod $order {
            use super::*;

            #[test]
            fn dirty() {
                wide::<Dirty, $ready>(Beside::Nothing, 1);
            }

            #[test]
            fn bits_in_trouble() {
                wide::<Bits<1>, $ready>(Beside::Trouble, 2);
            }

            #[test]
            fn shared_while_clients_come_and_go() {
                wide::<Sets, $ready>(Beside::Churn, 3);
            }

            #[test]
            fn dirty_and_narrow() {
                narrow::<Dirty, $ready>(Beside::Trouble, 4);
            }

            #[test]
            fn bits_and_narrow() {
                narrow::<Bits<1>, $ready>(Beside::Nothing, 5);
            }

            #[test]
            fn shared_and_narrow() {
                narrow::<Sets, $ready>(Beside::Trouble, 6);
            }

            #[test]
            fn bits_and_narrow_while_clients_come_and_go() {
                narrow::<Bits<1>, $ready>(Beside::Churn, 7);
            }

            #[test]
            fn shared_and_narrow_while_clients_come_and_go() {
                narrow::<Sets, $ready>(Beside::Churn, 8);
            }
        }
    )*};
}

runs!(swept: Sweep, in_order_of_arrival: Fifo);
