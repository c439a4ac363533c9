//! Compiles the sources of the main crate against loom, for this package alone.

/// Features of the main crate that stay off here: loom can't see into what they build on.
const OFF: &str =
    r#""blocking", "embassy", "heapless", "mesh", "smol", "tokio", "xds", "xds-types""#;

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rustc-check-cfg=cfg(loom, pushlane_packed)");
    println!("cargo::rustc-check-cfg=cfg(feature, values({OFF}))");
    println!("cargo::rerun-if-changed=build.rs");
}
