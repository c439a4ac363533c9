//! The model test of the queue, its operations decoded from what the fuzzer makes up.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/model/agree.rs"]
mod agree;
#[path = "../../tests/properties/model/bytes.rs"]
mod bytes;
#[path = "../../tests/properties/model/drive.rs"]
mod drive;
#[path = "../../tests/properties/model/kinds.rs"]
mod kinds;
#[allow(dead_code, reason = "the random strategies are the tests'")]
#[path = "../../tests/properties/model/ops.rs"]
mod ops;
#[path = "../../tests/properties/model/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| {
    if let Err(failure) = bytes::check(bytes) {
        panic!("{failure}");
    }
});
