# Where the cargo subcommands that verification needs are kept, each pinned. Sourced.
tools=${PUSHLANE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pushlane-verify}
export PATH=$tools/bin:$PATH CARGO_TERM_COLOR=never

# need cargo-hack 0.6.46
need() {
    [[ $("$tools/bin/$1" "${1#cargo-}" --version 2>/dev/null) == "$1 $2" ]] ||
        CARGO_TARGET_DIR=$tools/target RUSTFLAGS='' cargo install --quiet --locked --root "$tools" "$1@$2"
}
