#!/usr/bin/env bash
# What users get: the crate as it is packaged, by itself, and the README's first program in a crate of their own.
#
#     verify/package.sh
#
# The package is built, unpacked below target/ and left alone with what is in it: its tests pass, with the default
# features and with all that need no network, and storm runs. Then a new crate depends on it with default features,
# and its main.rs is the first Rust block of the README.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Dependencies are compiled once for the workspace, the package and the program.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
work=$CARGO_TARGET_DIR/package/check
rm -rf "$work"
mkdir -p "$work/program/src"
rm -f "$CARGO_TARGET_DIR"/package/pushlane-*.crate

cargo package --quiet --package pushlane --no-verify --allow-dirty
tar -xzf "$CARGO_TARGET_DIR"/package/pushlane-*.crate -C "$work"
mv "$work"/pushlane-* "$work/pushlane"

(
    cd "$work/pushlane"
    cargo test --quiet --locked
    cargo test --quiet --locked --features async,blocking,heapless
    cargo run --quiet --locked --release --example storm -- --clients 300
    # Each ends by itself, and asserts what it shows.
    for example in quickstart superloop converge reconcile; do
        cargo run --quiet --locked --example "$example"
    done
    cargo run --quiet --locked --features tokio --example tokio_dispatcher
    cargo run --quiet --locked --features smol --example smol
)

cp Cargo.lock "$work/program/"
cat >"$work/program/Cargo.toml" <<'TOML'
[package]
name = "program"
edition = "2024"

[dependencies]
pushlane = { path = "../pushlane" }
TOML
# As rustdoc does: the lines that it hides count, without their mark.
awk '/^```rust/ { inside = 1; next } /^```/ && inside { exit } inside' README.md |
    sed -E 's/^# ?//' >"$work/program/src/main.rs"
grep -q 'fn main' "$work/program/src/main.rs" || { echo "package: the README's program has no main" >&2; exit 1; }
(cd "$work/program" && cargo run --quiet)
echo "package: the package and the README's program are good"
