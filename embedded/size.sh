#!/usr/bin/env bash
# What a queue costs in flash and RAM: firmware with one, less the same firmware without. As a
# Markdown table.
#
#     embedded/size.sh [target…]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/targets.sh"

# Bytes of the code and constants, of their copy for initialised data, and of RAM (stack and heap
# aside).
sizes() {
    readelf -SW "$1" | sed -nE 's/^ +\[ *[0-9]+\] +//p' | awk '
        function hex(digits,    value, at) {
            for (at = 1; at <= length(digits); at++)
                value = value * 16 + index("0123456789abcdef", substr(digits, at, 1)) - 1
            return value
        }
        # name type address offset size entsize flags …
        $1 ~ /^\.(stack|heap)/ || $7 !~ /A/ { next }
        $2 != "NOBITS" && $7 !~ /W/ { code += hex($5) }
        $2 != "NOBITS" && $7 ~ /W/ { data += hex($5) }
        $7 ~ /W/ { ram += hex($5) }
        END { print code + 0, data + 0, ram + 0 }'
}

export PUSHLANE_RAM=64K # build.rs: room to measure what the smallest board has not
for target in "${targets[@]}"; do
    cargo build --quiet --locked --profile size --target "$target" \
        --bin size_nothing --bin size_dirty_64 --bin size_dirty_1024 --bin size_bits_64 --bin size_bits_1024
done

echo "| target | backlog | clients | code and constants | initial values | flash | RAM | RAM a client |"
echo "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
for target in "${targets[@]}"; do
    out=$CARGO_TARGET_DIR/$target/size
    read -r code0 data0 ram0 < <(sizes "$out/size_nothing")
    for backlog in dirty bits; do
        for clients in 64 1024; do
            read -r code data ram < <(sizes "$out/size_${backlog}_$clients")
            code=$((code - code0)) data=$((data - data0)) ram=$((ram - ram0))
            echo "| $target | $backlog | $clients | $code | $data | $((code + data)) | $ram |" \
                "$(awk "BEGIN { printf \"%.1f\", $ram / $clients }") |"
        done
    done
done
