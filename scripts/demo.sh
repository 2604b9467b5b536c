#!/usr/bin/env bash
# The main job on a recorded plant with an attack in it: a collector with its own certificate authority, a sensor that
# replays the recording, the alert in this terminal, the incident in the browser. Stays up until Ctrl-C; with
# DEMO_EXIT=1 it checks that the page answers and ends.
set -euo pipefail
cd "$(dirname "$0")/.."

fixtures=scripts/lab/fixtures
site=SanFrancisco
dir=$(mktemp -d "${TMPDIR:-/tmp}/spanwatch-demo.XXXXXX")
collector=
cleanup() {
	if [ -n "$collector" ]; then
		kill "$collector" 2>/dev/null || true
		wait "$collector" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -x bin/spanwatch-agent ] && [ -x bin/spanwatch-cloud ] || make --no-print-directory build

bin/spanwatch-cloud run --data "$dir/cloud" --listen 127.0.0.1:0 --web 127.0.0.1:0 --addresses "$dir/addresses" 2>"$dir/cloud.log" &
collector=$!
# The collector writes the file in one step once it listens; it ends at once when it cannot.
while [ ! -s "$dir/addresses" ]; do
	kill -0 "$collector" 2>/dev/null || { cat "$dir/cloud.log" >&2; exit 1; }
	sleep 0.1
done
# shellcheck source=/dev/null
. "$dir/addresses" # listen=HOST:PORT web=URL

bin/spanwatch-cloud site add "$site" --data "$dir/cloud"
bin/spanwatch-cloud certificate --data "$dir/cloud" --site "$site" --sensor demo --out "$dir/agent/identity"
bin/spanwatch-agent replay --site "$site" --state "$dir/agent" --verdicts "$fixtures/verdicts.jsonl" \
	--collector "$listen" "$fixtures/plant-attack.pcap.gz"

echo
bin/spanwatch-cloud incidents --data "$dir/cloud"
incident=$(bin/spanwatch-cloud incidents --data "$dir/cloud" --format json | sed -n 's/^{"id":\([0-9]*\),.*/\1/p' | head -n 1)
[ -n "$incident" ] || { echo 'demo: the collector has no incident' >&2; exit 1; }
page=$web/incidents/$incident
echo
echo "The incident: $page"

if [ -n "${DEMO_EXIT:-}" ]; then
	bin/spanwatch-cloud check-page "$page"
	exit
fi
echo 'Ctrl-C ends the demo.'
wait "$collector"
