//! A queue for 64 clients without a payload.

#![no_std]
#![no_main]

pushlane_firmware::measured!(pushlane::backlog::Dirty, (), 64);
