#!/usr/bin/env bash
# Builds and lints the crate in every combination of its features, on this machine's target, and
# checks what can be checked of the oldest Rust it promises. The targets without std are
# embedded/features.sh's.
#
#     verify/features.sh
#
# Not checked: that the promised Rust compiles it. That would take the toolchain (`rustup install`
# it, and run `cargo hack check --rust-version` with the options below). Instead: clippy knows since
# when everything in the standard library is there, and no dependency may promise less than we do.
# Neither sees a feature of the language that is too new.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. verify/tools.sh

# Each feature by itself doubles the number of combinations. These are taken as one: nothing in the
# crate asks for one of them without the others, or each stands on top of the rest and touches none
# of it. Each by itself is checked in .ci/run.
together=(blocking,tokio,embassy,smol metrics,tracing xds-types,xds)
# Adds no code to the crate: a dependency refuses some targets. Tried once, with everything else.
alone=require-cas

need cargo-hack 0.6.46
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/features
# name version rust-version ("-" if it promises none), of every package there is
oldest=$(cargo metadata --quiet --format-version 1 --locked |
    sed 's/{"name":"[^"]*","version":"/\n&/g' |
    sed -nE 's/^\{"name":"([^"]*)","version":"([^"]*)".*"rust_version":("([0-9.]+)"|null).*/\1 \2 \4/p' |
    sed 's/ $/ -/')
promised=$(awk '$1 == "pushlane" { print $3 }' <<<"$oldest")
[[ $promised == 1.* ]] || {
    echo "features: no rust-version in Cargo.toml" >&2
    exit 1
}

# The library alone: its tests would bring features back through dev-dependencies.
began=$SECONDS
powerset=(--feature-powerset --skip default --exclude-features "$alone" --lib --package pushlane)
for group in "${together[@]}"; do
    for feature in ${group//,/ }; do
        grep -q "^$feature = " Cargo.toml || continue 2
    done
    powerset+=(--group-features "$group")
done
lints=(-D warnings -D clippy::incompatible_msrv)
cargo hack clippy --quiet "${powerset[@]}" --locked -- "${lints[@]}"
cargo clippy --quiet --lib --package pushlane --all-features --locked -- "${lints[@]}"
shapes=$(($(cargo hack clippy "${powerset[@]}" --print-command-list | wc -l) + 1))
echo "features: $shapes combinations build and lint; nothing of std in them is younger than Rust $promised ($((SECONDS - began)) s)"

# What a user builds, for any target, in the versions of the lock file.
failed=0
while read -r name version; do
    needs=$(awk -v name="$name" -v version="$version" '$1 == name && $2 == version { print $3 }' <<<"$oldest")
    if [[ $needs == - || -z $needs ]]; then
        echo "features: $name $version promises no Rust version"
    elif [[ $(printf '%s\n' "$needs" "$promised" | sort -V | tail -n 1) != "$promised" ]]; then
        echo "features: $name $version needs Rust $needs" >&2
        failed=1
    else
        echo "features: $name $version is content with Rust $needs"
    fi
done < <(cargo tree --locked --package pushlane --all-features --edges normal,build --target all --prefix none |
    awk '{ sub(/^v/, "", $2); print $1, $2 }' | sort -u)
exit "$failed"
