#![no_std]
#![forbid(unsafe_code)]
//! Placeholder until the core lands.
#[cfg(feature = "alloc")]
extern crate alloc;

pub mod backlog;
