# The targets, for the scripts beside this one, which set up what they need first. Sourced.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
./setup.sh
# shellcheck source=/dev/null
. "${PUSHLANE_EMBEDDED:-${XDG_CACHE_HOME:-$HOME/.cache}/pushlane-embedded}/env.sh"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target} CARGO_TERM_COLOR=never

known=(thumbv7m-none-eabi thumbv6m-none-eabi riscv32imac-unknown-none-elf)
targets=("$@")
((${#targets[@]})) || targets=("${known[@]}")
for target in "${targets[@]}"; do
    [[ " ${known[*]} " == *" $target "* ]] || {
        echo "unknown target $target; there are: ${known[*]}" >&2
        exit 2
    }
done
