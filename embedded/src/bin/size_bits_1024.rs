//! A queue for 1024 clients with 32 flags each.

#![no_std]
#![no_main]

pushlane_firmware::measured!(pushlane::backlog::Bits<1>, [1], 1024);
