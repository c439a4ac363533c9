#!/usr/bin/env bash
# Several replicas on loopback with real clients: etcd, three replicas behind a balancer, Envoy and
# gRPC. Shows a change that reaches all clients, the kill of a replica, and how clients spread again
# when it is back. The picture: target/fleet/fleet.svg, or OUT/fleet.svg.
#   apps/control-plane/fleet.sh [OUT]
# Needs etcd (Debian: etcd-server), and what apps/wire-tests/clients/run.sh needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v etcd >/dev/null || { echo "etcd is missing (Debian: etcd-server)" >&2; exit 1; }
out=$(realpath -m "${1:-target/fleet}")
cargo build --quiet --release -p control-plane
export CONTROL_PLANE=${CARGO_TARGET_DIR:-$PWD/target}/release/control-plane
exec apps/wire-tests/clients/run.sh --fleet "$out"
