//! No queue: what the others are compared with.

#![no_std]
#![no_main]

pushlane_firmware::measured!();

fn work() {}
