//! The model test of the queue, its operations decoded from what the fuzzer makes up.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/model/bytes.rs"]
mod bytes;
#[path = "../../tests/model/drive.rs"]
mod drive;
#[path = "../../tests/model/kinds.rs"]
mod kinds;
#[allow(dead_code, reason = "the random strategies are the tests'")]
#[path = "../../tests/model/ops.rs"]
mod ops;
#[path = "../../tests/model/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| {
    if let Err(failure) = bytes::check(bytes) {
        panic!("{failure}");
    }
});
