#!/bin/sh
# Installs the programs that `make bench-peers` measures beside the sensor: from Debian, and Suricata 7 from the next
# Debian into a directory of its own, because this one has version 6. Root. Usage: install.sh DIRECTORY
set -eu
dir=$1
export DEBIAN_FRONTEND=noninteractive
missing=
for package in tshark tcpdump libndpi-bin debootstrap; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	apt-get update -q >&2
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -q --no-install-recommends $missing >&2
fi
if [ ! -x "$dir/usr/bin/suricata" ]; then
	debootstrap --variant=minbase --include=suricata trixie "$dir" http://deb.debian.org/debian >&2
fi
mkdir -p "$dir/bench/captures"
head='%YAML 1.1
---
default-log-dir: /tmp
stats: { enabled: no }
logging: { default-log-level: error, outputs: [ { console: { enabled: yes } } ] }
vars: { address-groups: { HOME_NET: "any", EXTERNAL_NET: "any" }, port-groups: { MODBUS_PORTS: "502" } }
app-layer: { protocols: { modbus: { enabled: yes, detection-ports: { dp: 502 } }, tls: { enabled: yes, detection-ports: { dp: 443 } } } }
flow: { memcap: 512mb }
stream: { memcap: 256mb, reassembly: { memcap: 512mb } }
'
printf '%s' "$head" >"$dir/bench/quiet.yaml"
{
	printf '%s' "$head"
	echo 'outputs: [ { eve-log: { enabled: yes, filetype: regular, filename: eve.json, types: [ modbus, flow ] } } ]'
} >"$dir/bench/log.yaml"
