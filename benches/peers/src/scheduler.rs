//! kube-runtime's scheduler and its runner, which Kubernetes controllers in Rust are served by.
//!
//! The scheduler is the real one. The runner around it is not public; what it does with the
//! scheduler is done here: it holds back what is being processed, and takes the next one. Requests
//! go through the same kind of channel as there. Keys only.
//!
//! Better than the original: keys are numbers instead of object references, what is published is
//! due at once instead of at the timer's next millisecond, and nothing is looked up in a store.

use std::collections::HashSet;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::stream::Stream;
use kube_runtime::scheduler::{ScheduleRequest, Scheduler, scheduler};
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::Peer;

struct Runner {
    scheduler: Pin<Box<Scheduler<u32, UnboundedReceiver<ScheduleRequest<u32>>>>>,
    processing: HashSet<u32, FxBuildHasher>,
}

/// The queue. See the [module](self).
pub struct Scheduled {
    requests: UnboundedSender<ScheduleRequest<u32>>,
    runner: Mutex<Runner>,
    /// Whose clock the scheduler's timers are set by; it never has to wake anybody.
    runtime: Runtime,
    /// Before the scheduler was made: what is scheduled for then is due.
    due: Instant,
}

impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").finish_non_exhaustive()
    }
}

impl Peer for Scheduled {
    type Request = ();
    type Lease<'a> = u32;

    fn with_clients(_: u32) -> Self {
        let due = Instant::now();
        let (requests, receiver) = unbounded();
        let scheduler = Box::pin(scheduler(receiver));
        let runner = Mutex::new(Runner { scheduler, processing: HashSet::default() });
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("no thread and no file is needed for it");
        Scheduled { requests, runner, runtime, due }
    }

    fn publish(&self, client: u32, (): &()) {
        let request = ScheduleRequest { message: client, run_at: self.due };
        // Never disconnected: the receiver is here.
        let _ = self.requests.unbounded_send(request);
    }

    fn lease(&self) -> Option<u32> {
        let _entered = self.runtime.enter();
        let Runner { scheduler, processing } = &mut *self.runner.lock();
        let mut context = Context::from_waker(Waker::noop());
        let next = scheduler.as_mut().hold_unless(|client| !processing.contains(client));
        match pin!(next).poll_next(&mut context) {
            Poll::Ready(Some(client)) => {
                processing.insert(client);
                Some(client)
            }
            _ => None,
        }
    }

    fn client(lease: &u32) -> u32 {
        *lease
    }

    fn request(_: &u32) -> &() {
        &()
    }

    fn done(&self, lease: u32) {
        self.runner.lock().processing.remove(&lease);
    }
}
