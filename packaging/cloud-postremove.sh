#!/bin/sh
# Runs when the files are gone. What the service knew goes only when it is asked for: with dpkg --purge.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "${1:-}" = purge ]; then
	rm -rf /var/lib/spanwatch/cloud
	if [ -d /var/lib/spanwatch ]; then rmdir --ignore-fail-on-non-empty /var/lib/spanwatch; fi
fi
