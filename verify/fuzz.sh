#!/usr/bin/env bash
# Fuzzes for some seconds and fails when a crash was found: its input is left in fuzz/artifacts.
#
#     verify/fuzz.sh queue|trace|requests SECONDS [libFuzzer's arguments]
#
# queue     operations on every backlog and ready set, against the reference of tests/properties/model
# trace     the trace parser of storm
# requests  what clients send to the xDS server: frames, messages, order, deadlines
#
# What is interesting stays in fuzz/corpus, where the next run starts. Needs rustup's stable
# toolchain and a C++ compiler; fetches cargo-fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. verify/tools.sh

case "${1-} ${2-}" in
"queue "[1-9]*) seeds=tests/properties/model/seeds ;;
"trace "[1-9]*) seeds=fuzz/seeds/trace ;;
"requests "[1-9]*) seeds=fuzz/seeds/requests features=xds ;;
*)
    sed -n 's/^#     /usage: /p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
name=$1 seconds=$2
shift 2

need cargo-fuzz 0.13.2
# libFuzzer's instrumentation is an unstable option of the compiler, and stable has it all the same.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
mkdir -p "fuzz/corpus/$name"
cargo fuzz run ${features:+--features "$features"} "$name" "fuzz/corpus/$name" "$seeds" -- \
    -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 -timeout=20 "$@"
echo "fuzz: $name for $seconds s found nothing; $(find "fuzz/corpus/$name" -type f | wc -l) inputs in its corpus"
