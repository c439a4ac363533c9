//! Firmware to be measured: what a product would do with a queue, once, and nothing else.

/// A firmware with a queue for `$clients` clients, or with none.
#[macro_export]
macro_rules! measured {
    () => {
        use $crate::board;

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            loop {}
        }

        #[board::entry]
        fn main() -> ! {
            work();
            loop {}
        }
    };
    ($backlog:ty, $request:expr, $clients:literal) => {
        use core::hint::black_box;
        use pushlane::{Lane, Scope, Target, Topic};

        $crate::measured!();

        pushlane::static_queue!(static QUEUE: $backlog, clients = $clients, topics = 8, permits = 4);

        // Errors are passed over: how a product reports them is not part of the queue.
        fn work() {
            let topics = [black_box(Topic(1))];
            let Ok(client) = QUEUE.register() else { return };
            let _ = black_box(QUEUE.subscribe(client, topics[0]));
            for target in
                [Target::Everyone, Target::One(client), Target::Topics(Scope::any(&topics))]
            {
                let Ok(version) = QUEUE.publish(black_box(target), Lane::Normal, $request) else {
                    continue;
                };
                while let Some(lease) = QUEUE.try_lease() {
                    let _ = black_box(lease.request());
                    if black_box(lease.is_superseded()) {
                        lease.requeue();
                    } else {
                        lease.complete();
                    }
                }
                black_box(QUEUE.is_converged(version));
            }
            let _ = black_box(QUEUE.unsubscribe(client, topics[0]));
            let _ = black_box(QUEUE.unregister(client));
        }
    };
}
