//! Events that come in bursts become one publish: quiet periods, and a pace for each client.
//!
//! A queue merges what is published while a client waits or is pushed to. What comes a moment too
//! late to merge costs a push of its own. So control planes hold a change back for a moment before
//! they publish it, and longer while more come: they *debounce*. All of that is here as pure logic
//! over a clock that the caller reads: times are [`Duration`]s since any moment that stays the
//! same.
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
