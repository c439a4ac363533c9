#!/usr/bin/env bash
# Builds and lints the crate for every target in every shape that has no std.
#
#     embedded/features.sh [target…]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/targets.sh"

shapes=("" heapless spin heapless,spin alloc alloc,heapless,spin)
# Without compare-exchange there is no `Arc`, which `mesh` needs.
with_arc=(mesh mesh,spin,heapless)

for target in "${targets[@]}"; do
    all=("${shapes[@]}")
    if "$RUSTC" --print cfg --target "$target" | grep -qx 'target_has_atomic="ptr"'; then
        all+=("${with_arc[@]}")
    fi
    for features in "${all[@]}"; do
        # Through the firmware, because where there is no compare-exchange the final binary chooses
        # what stands in.
        RUSTFLAGS="-D warnings" cargo check --quiet --locked --lib --target "$target" --features "$features"
        echo "builds for $target with ${features:-nothing}"
    done
done
