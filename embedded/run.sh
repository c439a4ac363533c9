#!/usr/bin/env bash
# Runs the firmware under QEMU on each target. Prints pass or fail for each, and fails if one does.
# setup.sh fetches what is missing.
#
#     embedded/run.sh [target…]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/targets.sh"

passed=0 failed=0
for target in "${targets[@]}"; do
    began=$SECONDS
    if ! cargo build --quiet --locked --release --target "$target" --features embassy,heapless \
        --bin interrupts --bin wide --bin topics --bin fifo --bin embassy; then
        echo "FAIL: building for $target"
        failed=$((failed + 1))
        continue
    fi
    echo "built for $target in $((SECONDS - began)) s"
    for firmware in interrupts wide topics fifo embassy; do
        printf '\n== %s on %s\n' "$firmware" "$target"
        began=$SECONDS
        if cargo run --quiet --locked --release --target "$target" --features embassy,heapless --bin "$firmware"; then
            echo "pass: $firmware on $target ($((SECONDS - began)) s)"
            passed=$((passed + 1))
        else
            echo "FAIL: $firmware on $target"
            failed=$((failed + 1))
        fi
    done
done
printf '\n%s passed, %s failed\n' "$passed" "$failed"
((failed == 0))
