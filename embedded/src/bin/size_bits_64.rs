//! A queue for 64 clients with 32 flags each.

#![no_std]
#![no_main]

pushlane_firmware::measured!(pushlane::backlog::Bits<1>, [1], 64);
