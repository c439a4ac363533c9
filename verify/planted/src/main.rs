//! `planted race|freed|leaked|none`: a program with one mistake, or with none.

use std::cell::UnsafeCell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

/// What a publisher hands over: written before the flag is raised, read after it was seen.
struct Handover {
    request: UnsafeCell<u64>,
    ready: AtomicBool,
}

// SAFETY: there is none with a Relaxed flag. That is the mistake.
unsafe impl Sync for Handover {}

fn hand_over(raise: Ordering) {
    let handover =
        Arc::new(Handover { request: UnsafeCell::new(0), ready: AtomicBool::new(false) });
    let publisher = Arc::clone(&handover);
    let publishing = thread::spawn(move || {
        // SAFETY: nobody reads it before the flag is raised.
        unsafe { *publisher.request.get() = 7 };
        publisher.ready.store(true, raise);
    });
    while !handover.ready.load(Ordering::Acquire) {
        thread::yield_now();
    }
    // SAFETY: the flag is raised; ordered by it only if it was raised with Release.
    println!("{}", unsafe { handover.request.get().read_volatile() });
    let _ = publishing.join();
}

fn use_after_free() {
    let request = Box::new(7_u64);
    let kept: *const u64 = &*request;
    drop(request);
    // SAFETY: there is none. That is the mistake.
    println!("{}", unsafe { kept.read_volatile() });
}

fn leak() {
    std::mem::forget(std::hint::black_box(vec![7_u64; 1_000]));
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("race") => hand_over(Ordering::Relaxed),
        Some("freed") => use_after_free(),
        Some("leaked") => leak(),
        Some("none") => hand_over(Ordering::Release),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
