//! Two publishers and two workers over ten thousand clients, with an oracle that knows what has to arrive:
//! nothing is lost, nothing converges early or never, a client has one lease at a time, permits are
//! conserved. Bounded by work, not by time.
//!
//! * `oracle`: what was published and what has arrived;
//! * `run`: the threads.

mod oracle;
mod run;

use std::collections::BTreeSet;
use std::sync::Arc;

use pushlane::backlog::{Bits, Dirty, Shared};
use pushlane::ready::{Fifo, Sweep};

use run::{Beside, Load, run};

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

macro_rules! runs {
    ($($order:ident: $ready:ty),*) => {$(
        mod $order {
            use super::*;

            #[test]
            fn dirty() {
                run::<Dirty, $ready>(Beside::Nothing, 1);
            }

            #[test]
            fn bits_in_trouble() {
                run::<Bits<1>, $ready>(Beside::Trouble, 2);
            }

            #[test]
            fn shared_in_trouble() {
                run::<Shared<BTreeSet<u8>>, $ready>(Beside::Trouble, 3);
            }

            #[test]
            fn bits_while_clients_come_and_go() {
                run::<Bits<1>, $ready>(Beside::Churn, 4);
            }

            #[test]
            fn shared_while_clients_come_and_go() {
                run::<Shared<BTreeSet<u8>>, $ready>(Beside::Churn, 5);
            }
        }
    )*};
}

runs!(swept: Sweep, in_order_of_arrival: Fifo);
