//! A queue for 1024 clients without a payload.

#![no_std]
#![no_main]

pushlane_firmware::measured!(pushlane::backlog::Dirty, (), 1024);
