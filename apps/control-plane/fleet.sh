#!/usr/bin/env bash
# Shows several replicas on loopback: etcd, three replicas, a change that reaches all, the kill of
# one and its return. Draws what the replicas' records said over time: target/fleet/convergence.svg.
# Needs etcd (Debian: etcd-server).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v etcd >/dev/null || { echo "etcd is missing (Debian: etcd-server)" >&2; exit 1; }
cargo build --quiet --release -p control-plane
plane=$PWD/target/release/control-plane dir=target/fleet
rm -rf "$dir" && mkdir -p "$dir" && cd "$dir"
etcd=http://127.0.0.1:23791 peer=http://127.0.0.1:23801
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true' EXIT

etcd --data-dir data --listen-client-urls $etcd --advertise-client-urls $etcd --listen-peer-urls $peer \
    --initial-advertise-peer-urls $peer --initial-cluster default=$peer >etcd.log 2>&1 &
processes+=($!)

replica() {
    "$plane" --etcd $etcd --replica "$1" --listen "127.0.0.1:1820$2" --admin "127.0.0.1:1821$2" --lease 5 \
        --streams 1000 --for 300 >>"$1.log" 2>&1 &
    processes+=($!)
    last=$!
}
replica one 1; replica two 2; replica three 3; third=$last

put() {
    printf '{"resources":[{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"shop","altStatName":"%s"}]}' \
        "$1" >state.json
    "$plane" put state.json --etcd $etcd
}

# Time in ms, replica, clients, revision.
begin=$(date +%s%3N)
(
    while :; do
        now=$(($(date +%s%3N) - begin))
        "$plane" status --etcd $etcd 2>/dev/null |
            sed -nE "s/^([a-z]+) at .*: ([0-9]+) of .* all have ([0-9]+).*/$now \1 \2 \3/p" || true
        sleep 0.1
    done >samples
) &
processes+=($!)

until revision=$(put first 2>/dev/null); do sleep 0.2; done
"$plane" wait --revision "$revision" --timeout 30s --etcd $etcd
echo "revision $revision is everywhere"
for change in 1 2 3 4 5; do
    revision=$(put "change $change")
    "$plane" wait --revision "$revision" --timeout 30s --etcd $etcd
    echo "revision $revision is everywhere"
done
echo "killing a replica"
kill -9 "$third"
revision=$(put "without the third")
"$plane" wait --revision "$revision" --timeout 30s --etcd $etcd
echo "revision $revision is everywhere: the dead replica's record has expired"
replica three 3
revision=$(put "with it again")
"$plane" wait --revision "$revision" --timeout 30s --etcd $etcd
echo "revision $revision is everywhere"
"$plane" status --etcd $etcd

# One line for each replica: the revision that all its clients had, over time.
awk '
    { time[NR] = $1; who[NR] = $2; at[NR] = $4; if ($1 > last) last = $1; if ($4 > top) top = $4 }
    END {
        print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 300\" font-family=\"sans-serif\" font-size=\"12\">"
        print "<rect width=\"800\" height=\"300\" fill=\"white\"/>"
        split("one two three", names, " "); split("#1f77b4 #2ca02c #d62728", colours, " ")
        for (name = 1; name <= 3; name++) {
            points = ""
            for (i = 1; i <= NR; i++) if (who[i] == names[name])
                points = points sprintf("%.1f,%.1f ", 50 + 730 * time[i] / last, 260 - 4 * (name - 1) - 230 * at[i] / top)
            printf "<polyline fill=\"none\" stroke=\"%s\" points=\"%s\"/>\n", colours[name], points
            printf "<text x=\"%d\" y=\"20\" fill=\"%s\">%s</text>\n", 60 + 60 * name, colours[name], names[name]
        }
        printf "<text x=\"50\" y=\"285\">0 s</text><text x=\"740\" y=\"285\">%.1f s</text>\n", last / 1000
        printf "<text x=\"5\" y=\"40\">%d</text><text x=\"5\" y=\"260\">0</text>\n</svg>\n", top
    }' samples >convergence.svg
echo "$dir/convergence.svg"
