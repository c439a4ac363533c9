#!/usr/bin/env bash
# Mutants of the logic: cargo-mutants changes an operator, a match arm or what a function returns,
# and a test must fail. (loom-tests/mutants has those of orderings.)
#
#     verify/mutants.sh [FILE...]
#
# FILE is a path below src/; without any, `logic` below. A mutant meets the tests in stages: those
# in src/, those of tests/ that are not random, then the random ones with a fixed seed. A mutant
# that one stage notices doesn't meet the next. They are one crate, of verify/mutants, without
# adapters, so that a mutant takes seconds.
#
# mutants.known has the mutants that no test notices, each with the reason why none needs to. Exits
# with an error if there are others, or if one of those is noticed.
#
# JOBS     how many at once (default 1); each has a copy of the crate
# STAGES   default "src tests random"
#
# A run that was stopped goes on where it was, as long as src/ and tests/ have not changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=verify/tools.sh
. verify/tools.sh

# All of src/ but what serves a queue, what the platform gives, and tests.
mapfile -t logic < <(find src -name '*.rs' -not -path 'src/adapters/*' -not -name '*tests.rs' \
    -not -path src/lib.rs -not -path src/sync.rs -not -path src/loom_internals.rs | sort)
files=("${@:-${logic[@]}}")
for file in "${files[@]}"; do
    [[ -f $file && $file == src/* ]] || { echo "mutants: no $file" >&2; exit 2; }
done
need cargo-mutants 27.1.0

work=${CARGO_TARGET_DIR:-$PWD/target}/mutants
unset CARGO_TARGET_DIR
tree=$work/tree out=$work/out known=$PWD/verify/mutants.known
mkdir -p "$tree" "$out"

# The crate: the sources, without what serves them, and the tests as one of its modules.
of=$(cat Cargo.lock verify/mutants/* <(find src tests -type f -print0 | sort -z | xargs -0 sha1sum) | sha1sum)
[[ $of == "$(cat "$work/of" 2>/dev/null)" ]] || {
    rm -rf "$tree"/{src,tests} "$out" && mkdir "$out"
    cp -r src tests README.md Cargo.lock verify/mutants/Cargo.toml "$tree"
    rm -r "$tree"/src/adapters "$tree"/tests/executors
    # Seeds are read from beside the manifest.
    mkdir -p "$tree/model" && cp -r tests/properties/model/seeds "$tree/model/"
    cp verify/mutants/tests.rs "$tree/tests/mutants.rs"
    # Tests use the standard library, and its prelude.
    grep -q '^#!\[no_std\]$' src/lib.rs
    sed -i -e '/^#!\[no_std\]$/d' -e '/^#\[cfg(feature = "async")\]$/,/^pub mod adapters;$/d' "$tree/src/lib.rs"
    cat >>"$tree/src/lib.rs" <<'EOF'
#[cfg(test)]
extern crate self as pushlane;
#[cfg(test)]
#[path = "../tests/mutants.rs"]
mod integration;
EOF
    echo "$of" >"$work/of"
}
cd "$tree"

# The first test that fails ends them all. Only the tests, not the compiler, are to take the
# toolchain for nightly.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="env RUSTC_BOOTSTRAP=1" RUST_BACKTRACE=0
export PROPTEST_CASES=${PROPTEST_CASES:-48} PROPTEST_RNG_SEED=1
# What `Debug` prints is promised to nobody; and the tests' own helpers, in `mod tests`, are not
# what is tested.
mutants=(cargo mutants --no-shuffle --colors never --exclude-re 'fmt::Debug for|tests::' --output "$out")
for file in "${files[@]}"; do
    mutants+=(--file "$file")
done
how=(--in-place)
((${JOBS:-1} == 1)) || how=(--jobs "$JOBS" --copy-target true)

# Keeps what a run has found: the next one overwrites its files.
collect() {
    for kind in caught timeout unviable; do
        cat "$out/mutants.out/$kind.txt" 2>/dev/null >>"$out/$kind" || true
    done
    # A hang is noticed as well.
    [[ ! -f $out/mutants.out/timeout.txt ]] ||
        cat "$out/mutants.out/timeout.txt" >>"$out/mutants.out/caught.txt"
}
collect
began=$SECONDS
for stage in ${STAGES:-src tests random}; do
    echo "mutants: the tests of stage $stage"
    # 2: some are missed; 3: some took too long.
    "${mutants[@]}" "${how[@]}" --iterate --features "stage-$stage" \
        --minimum-test-timeout "${MIN_TIMEOUT:-20}" --timeout-multiplier 10 -- \
        --lib -- -Zunstable-options --fail-fast || (($? == 2 || $? == 3))
    collect
done

"${mutants[@]}" --list >"$out/all" 2>/dev/null
sort -u "$out/all" -o "$out/all"
for kind in caught timeout unviable; do
    sort -u "$out/$kind" | comm -12 - "$out/all" >"$out/$kind.here"
done
missed=$(sort -u "$out"/{caught,timeout,unviable}.here | comm -13 - "$out/all")
count() { wc -l <"$out/$1.here"; }
echo "mutants: $(wc -l <"$out/all"): $(count caught) caught, $(grep -c . <<<"$missed") missed," \
    "$(count timeout) timeout, $(count unviable) unviable ($((SECONDS - began)) s)"

# A name, less the place in the file, may stand for several: then it is known as many times.
missed=$(sed -E 's/^([^:]+):[0-9]+:[0-9]+:/\1:/' <<<"$missed" | grep . | sort || true)
expected=$(grep -v -e '^#' -e '^$' "$known" | sed 's/ -- .*//' |
    grep -F "$(printf '%s: \n' "${files[@]}")" | sort || true)
new=$(comm -23 <(echo "$missed") <(echo "$expected") | grep . || true)
old=$(comm -13 <(echo "$missed") <(echo "$expected") | grep . || true)
[[ -z $new ]] || printf 'mutants: nothing notices these, and mutants.known has no reason:\n%s\n' "$new"
[[ -z $old ]] || printf 'mutants: no longer missed, or no mutants any more, but in mutants.known:\n%s\n' "$old"
[[ -z $new && -z $old ]]
