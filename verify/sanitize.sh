#!/usr/bin/env bash
# Runs the tests where threads meet, the model and a short soak under a checker of every memory
# access.
#
#     verify/sanitize.sh thread|address|memcheck [cargo test's arguments]
#
# thread    ThreadSanitizer: data races. Builds the standard library too, because accesses of one that isn't
#           instrumented would look like races.
# address   AddressSanitizer and LeakSanitizer: what is used after it was freed, or never freed.
# memcheck  valgrind: the same and what was never initialized, of the plain binaries, std included.
#
# First planted/: the checker must find each mistake of its kind, and nothing where there is none.
# Then, without arguments for cargo test, the tests in `default` below and the soak, for SOAK
# minutes (default 1). `-- NAME` restricts a run to tests of a name, and leaves the soak out.
#
# Exits with an error when something was found. Needs x86-64 Linux and rustup's stable toolchain.
# Fetches what else it needs: valgrind, and for `thread` the sources of the standard library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

default=(--test threads --test model --test faults)
target=x86_64-unknown-linux-gnu

die() {
    echo "sanitize: $*" >&2
    exit 2
}

(($#)) || die "which one? thread, address or memcheck"
kind=$1
shift
args=("$@")
soak=$((${#args[@]} == 0))
[[ " ${args[*]} " == *" --test "* || " ${args[*]} " == *" --lib "* || " ${args[*]} " == *" --tests "* ]] ||
    args=("${default[@]}" "${args[@]}")

export CARGO_TERM_COLOR=never
# Each kind has binaries of its own. Optimized a little, because checking costs a factor of ten and
# more; assertions and line numbers stay.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/sanitize-$kind
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only
cargo=(cargo test --locked -p pushlane -p property-tests -p executor-tests --target "$target")
unstable=()

# The standard library's sources must be of one piece with the compiler. rustup's are taken if they
# are there.
with_sources_of_std() {
    local runtime=librustc-stable_rt.tsan.a ours
    ours=$(rustc --print sysroot)/lib/rustlib
    if [[ -d $ours/src/rust/library/std ]]; then
        export RUSTC_BOOTSTRAP=1
        return
    fi
    embedded/setup.sh
    local home=${PUSHLANE_EMBEDDED:-${XDG_CACHE_HOME:-$HOME/.cache}/pushlane-embedded}
    # Debian's compiler comes without the sanitizer's runtime, which depends on no compiler's
    # version.
    [[ -f $ours/$target/lib/$runtime ]] || die "rustup's toolchain holds no $runtime: use a stable one"
    ln -sf "$ours/$target/lib/$runtime" "$home/root/usr/lib/rustlib/$target/lib/"
    # shellcheck source=/dev/null
    . "$home/env.sh"
    unset CARGO_UNSTABLE_BUILD_STD
}

case $kind in
thread)
    with_sources_of_std
    export RUSTFLAGS="-Zsanitizer=thread ${RUSTFLAGS:-}"
    export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 ${TSAN_OPTIONS:-}"
    unstable=(-Zbuild-std)
    cargo+=("${unstable[@]}")
    planted=("race=data race")
    version="$("${RUSTC:-rustc}" -V), ThreadSanitizer"
    ;;
address)
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
    export ASAN_OPTIONS="detect_stack_use_after_return=1 ${ASAN_OPTIONS:-}"
    planted=("freed=heap-use-after-free" "leaked=detected memory leaks")
    version="$(rustc -V), AddressSanitizer"
    ;;
memcheck)
    command -v valgrind >/dev/null || {
        as_root=()
        ((EUID == 0)) || as_root=(sudo)
        "${as_root[@]}" apt-get install -qq -y --no-install-recommends valgrind || die "install valgrind"
    }
    # Without a fair scheduler one thread keeps valgrind's only turn while another one waits for it.
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --fair-sched=yes --error-exitcode=99 \
--leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
    planted=("freed=Invalid read" "leaked=definitely lost")
    version="$(rustc -V), $(valgrind --version)"
    ;;
*) die "there is no $kind: thread, address or memcheck" ;;
esac

# What the checker says of each planted mistake.
plant() { # mistake, what is to be said
    local output
    if output=$(cd verify/planted && cargo run --quiet "${target_options[@]}" -- "$1" 2>&1); then
        echo "sanitize: $kind doesn't find what is planted: $1" >&2
        exit 1
    fi
    grep -q "$2" <<<"$output" || {
        printf '%s\n' "$output" >&2
        die "planted $1 fails, but not because of \"$2\""
    }
    echo "sanitize: finds what is planted: $1"
}
target_options=(--target "$target" "${unstable[@]}")
(cd verify/planted && cargo run --quiet "${target_options[@]}" -- none) >/dev/null ||
    die "the planted program without a mistake fails"
for mistake in "${planted[@]}"; do
    plant "${mistake%%=*}" "${mistake#*=}"
done

builds=()
for arg in "${args[@]}"; do
    [[ $arg == -- ]] && break
    builds+=("$arg")
done
began=$SECONDS
"${cargo[@]}" "${builds[@]}" --quiet --no-run
built=$((SECONDS - began)) began=$SECONDS

found=0
"${cargo[@]}" --no-fail-fast "${args[@]}" || found=$?
if ((soak)); then
    cargo run --locked --quiet -p pushlane --example soak --target "$target" "${unstable[@]}" -- \
        --minutes "${SOAK:-1}" || found=$?
fi
outcome="found nothing"
((found == 0)) || outcome="FOUND SOMETHING, or a test failed: see above"
echo "sanitize: $version, ${args[*]}$( ((soak)) && echo ", soak"): $outcome (built in $built s, ran $((SECONDS - began)) s)"
exit "$found"
