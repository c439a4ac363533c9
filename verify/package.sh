#!/usr/bin/env bash
# What users get: the crate as it is packaged, by itself, and the README's programs in a crate of
# their own.
#
#     verify/package.sh
#
# The package is built, unpacked below target/ and left alone with what is in it: its tests pass
# with the default features, those that need more features pass with them, and its examples run.
# Then a new crate depends on it as the README says, and its main.rs is a program of the README, one
# after another.
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
    cargo run --quiet --locked --example storm -- --clients 300 --events 300
    # All else with the same features, so that the crate is compiled once more.
    features=(--quiet --locked --features async,blocking,heapless,smol,tokio)
    cargo test "${features[@]}" --test behaviour
    # Each ends by itself, and asserts what it shows.
    for example in quickstart superloop converge reconcile tokio_dispatcher smol; do
        cargo run "${features[@]}" --example "$example"
    done
)

# Each Rust block of the README is a program, and the TOML block before it says what that depends
# on.
awk -v work="$work/readme" '
    /^```toml/ { kind = "toml"; count++; next }
    /^```rust/ { kind = "rust"; next }
    /^```/ { kind = ""; next }
    kind == "toml" { print > (work count ".toml") }
    kind == "rust" { sub(/^# /, ""); print > (work count ".rs") }
' README.md
programs=("$work"/readme*.rs)
[ ${#programs[@]} -eq 3 ] || { echo "package: the README has ${#programs[@]} programs, not 3" >&2; exit 1; }
for source in "${programs[@]}"; do
    cp "$source" "$work/program/src/main.rs"
    cp Cargo.lock "$work/program/"
    {
        printf '[package]\nname = "program"\nedition = "2024"\n\n'
        sed -E -e 's|^pushlane = "[^"]*"|pushlane = { path = "../pushlane" }|' \
            -e 's|^pushlane = \{ version = "[^"]*"|pushlane = { path = "../pushlane"|' "${source%.rs}.toml"
    } >"$work/program/Cargo.toml"
    grep -q 'path = "../pushlane"' "$work/program/Cargo.toml" || { echo "package: $source depends on what?" >&2; exit 1; }
    (cd "$work/program" && cargo run --quiet)
done
echo "package: the package and the README's programs are good"
