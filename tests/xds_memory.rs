//! What an xDS server takes before its first client comes, as `Limits` documents it.

use allocation_counter::measure;
use pushlane::adapters::xds::{Ads, Limits};

/// The bytes that a server with these limits allocates.
fn idle(limits: Limits) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let mut ads = None;
    let memory = measure(|| ads = Some(Ads::builder().limits(limits).start()));
    drop(ads);
    memory.bytes_current as u64
}

#[test]
fn an_idle_server_takes_what_its_limits_document() {
    let whole = idle(Limits::default());
    println!("{whole} bytes with the default limits");
    let mut small = Limits::default();
    small.streams /= 10;
    let tenth = idle(small);
    println!("{tenth} bytes with a tenth of the streams");
    assert!((10_000_000..13_000_000).contains(&whole), "{whole} bytes");
    assert!(tenth * 5 < whole, "it is in proportion: {tenth} of {whole} bytes");
}
