#![no_std]
//! Placeholder until the core lands.
#[cfg(feature = "alloc")]
extern crate alloc;
