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

make --no-print-directory build

# A collector on free ports of this machine. Its log says which; it ends at once when it cannot run.
data=$dir/cloud
bin/spanwatch-cloud run --data "$data" --listen 127.0.0.1:0 --web 127.0.0.1:0 2>"$dir/cloud.log" &
collector=$!
address() { sed -n "s/.*msg=$1 address=\([^ ]*\).*/\1/p" "$dir/cloud.log"; }
while [ -z "$(address pages)" ]; do
	kill -0 "$collector" 2>/dev/null || { cat "$dir/cloud.log" >&2; exit 1; }
	sleep 0.1
done
listen=$(address '"waiting for sensors"')
web=$(address pages)

bin/spanwatch-cloud site add "$site" --data "$data"
bin/spanwatch-cloud certificate --data "$data" --site "$site" --sensor demo --out "$dir/agent/identity"
bin/spanwatch-agent replay --site "$site" --state "$dir/agent" --verdicts "$fixtures/verdicts.jsonl" \
	--collector "$listen" "$fixtures/plant-attack.pcap.gz"

echo
echo 'What the collector made of it:'
bin/spanwatch-cloud incidents --data "$data"
incident=$(bin/spanwatch-cloud incidents --data "$data" --format json | sed -n 's/^{"id":\([0-9]*\),.*/\1/p' | head -n 1)
[ -n "$incident" ] || { echo 'demo: the collector has no incident' >&2; exit 1; }
page=/incidents/$incident
echo
echo "The incident's page: $web$page"

if [ -n "${DEMO_EXIT:-}" ]; then
	# Plain bash speaks enough HTTP to see that the page is there, and that what it shows is the incident; a fresh machine
	# may have no curl.
	host=${web#http://}
	ask() { # METHOD PATH BODY WANTED
		exec 3<>"/dev/tcp/${host%:*}/${host##*:}"
		printf '%s %s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "$1" "$2" "$host" "${#3}" "$3" >&3
		answer=$(cat <&3)
		case $answer in
		'HTTP/1.'*' 200 '*"$4"*) ;;
		*) printf 'demo: %s does not answer with %s:\n%s\n' "$2" "$4" "${answer:0:400}" >&2; exit 1 ;;
		esac
	}
	ask GET "$page" '' '<title>'
	ask POST /spanwatch.v1.IncidentService/GetIncident "{\"id\":\"$incident\"}" 10.20.30.66
	echo 'The page answers, and shows the compromised device.'
	exit
fi
echo 'Ctrl-C ends the demo.'
wait "$collector"
