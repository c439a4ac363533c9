//! [`static_queue!`](crate::static_queue): the type of a queue in a `static`, from what it holds.

/// A queue in a `static` that holds so many clients and topics.
///
/// It writes the parameters of [`StaticQueue`](crate::StaticQueue), which depend on the width of
/// the target's words. The capacity is exactly `clients`. After it may come, in this order:
///
/// * `topics`: how many topics clients can subscribe to. Default: 0.
/// * `permits`, `urgent_ratio`: as in [`Config`](crate::Config), with its defaults.
/// * `signal`: a [`Signal`](crate::Signal)'s type, and a constant of it. Default: none.
///
/// ```
/// use pushlane::backlog::Dirty;
/// use pushlane::{Lane, Topic};
///
/// pushlane::static_queue!(static QUEUE: Dirty, clients = 100, topics = 4, permits = 8);
///
/// let client = QUEUE.register()?;
/// QUEUE.subscribe(client, Topic(3))?;
/// QUEUE.publish(Topic(3), Lane::Normal, ())?;
/// QUEUE.try_lease().expect("ready").complete();
///
/// assert_eq!((QUEUE.capacity(), QUEUE.topics(), QUEUE.permits()), (100, 4, 8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A signal, here an interrupt's flag:
///
/// ```
/// use core::sync::atomic::{AtomicBool, Ordering};
/// use pushlane::{Lane, Signal, Target, backlog::Bits};
///
/// struct Pending(AtomicBool);
///
/// impl Signal for Pending {
///     fn ready(&self, _leases: usize) {
///         self.0.store(true, Ordering::Release);
///     }
/// }
///
/// pushlane::static_queue! {
///     /// What the radio has to send.
///     pub static QUEUE: Bits<1>, clients = 16, signal = Pending: Pending(AtomicBool::new(false))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = QUEUE.register()?;
/// QUEUE.publish(Target::One(client), Lane::Urgent, [0b1])?;
/// assert!(QUEUE.signal().0.load(Ordering::Acquire));
/// # Ok(())
/// # }
/// ```
///
/// A queue without room does not compile:
///
/// ```compile_fail,E0080
/// pushlane::static_queue!(static QUEUE: pushlane::backlog::Dirty, clients = 0);
/// # fn main() { let _ = QUEUE.register(); }
/// ```
#[macro_export]
macro_rules! static_queue {
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $backlog:ty,
        clients = $clients:expr
        $(, topics = $topics:expr)?
        $(, permits = $permits:expr)?
        $(, urgent_ratio = $urgent_ratio:expr)?
        $(, signal = $signal_type:ty: $signal:expr)?
        $(,)?
    ) => {
        $crate::static_queue! {
            @ [$(#[$attribute])* $visibility static $name: $backlog]
            [$clients]
            [0 $(+ $topics)?]
            [$crate::Config::new($clients)
                $(.permits($permits))?
                $(.urgent_ratio($urgent_ratio))?]
            [$($signal_type: $signal)?]
        }
    };
    (@ $queue:tt $clients:tt $topics:tt $config:tt []) => {
        $crate::static_queue!(@ $queue $clients $topics $config [$crate::NoSignal: $crate::NoSignal]);
    };
    (
        @ [$(#[$attribute:meta])* $visibility:vis static $name:ident: $backlog:ty]
        [$clients:expr] [$topics:expr] [$config:expr] [$signal_type:ty: $signal:expr]
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::PushQueue<
            $backlog,
            $crate::storage::Static<
                { usize::div_ceil($clients, $crate::SLOTS) },
                { $topics },
                { usize::div_ceil($clients, $crate::SLOTS * usize::BITS as usize) },
            >,
            $signal_type,
        > = $crate::PushQueue::const_with_signal($config, $signal);
    };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::backlog::Dirty;
    use crate::{Lane, RegisterError, SLOTS, Target};

    /// More banks than a word has bits, and a last bank with one place.
    const CLIENTS: usize = usize::BITS as usize * SLOTS + 1;

    crate::static_queue!(static LARGE: Dirty, clients = CLIENTS, topics = 2, urgent_ratio = 1);
    crate::static_queue!(static ONE: Dirty, clients = 1);

    #[test]
    fn a_static_queue_has_room_for_its_clients_and_no_more() {
        for _ in 0..CLIENTS {
            assert!(LARGE.register().is_ok());
        }
        assert_eq!(LARGE.register(), Err(RegisterError::Full));
        assert!(LARGE.publish(Target::Everyone, Lane::Normal, ()).is_ok());
        assert_eq!(
            core::iter::from_fn(|| LARGE.try_lease().map(|lease| lease.complete())).count(),
            CLIENTS
        );
        assert_eq!(LARGE.topics(), 2);
    }

    #[test]
    fn a_static_queue_may_be_for_one_client() {
        assert!(ONE.register().is_ok());
        assert_eq!(ONE.register(), Err(RegisterError::Full));
        assert_eq!((ONE.capacity(), ONE.topics()), (1, 0));
    }
}
