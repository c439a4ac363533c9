//! Quiet periods before a publish, and a pace for the pushes to each client.
//!
//! A queue merges what is published while a client waits or is pushed to. A change that comes a
//! moment later costs a push of its own. So control planes *debounce*: they hold a change back for
//! a moment, and longer while more changes come. Here this is pure logic over the caller's clock;
//! times are [`Duration`]s since a fixed moment.
//!
//! | | what it spaces | needs |
//! | --- | --- | --- |
//! | [`Debounce`] | publishes, by scope | `alloc` |
//! | [`Pace`] | pushes, by client | |
//! | [`Stretch`] | how long either waits: fixed, or by how busy the queue is | |

mod pace;
mod stretch;

#[cfg(feature = "alloc")]
mod batches;

#[cfg(feature = "alloc")]
pub use batches::Debounce;
pub use pace::Pace;
pub use stretch::Stretch;

#[cfg(doc)]
use core::time::Duration;
