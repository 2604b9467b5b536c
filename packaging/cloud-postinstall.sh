#!/bin/sh
# Runs when the files are there: after the first installation, and after an upgrade.
set -e
if ! grep -q '^spanwatch-cloud:' /etc/passwd; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers /usr/lib/sysusers.d/spanwatch-cloud.conf
	elif command -v useradd >/dev/null; then
		useradd --system --user-group --no-create-home --home-dir /var/lib/spanwatch/cloud --shell /usr/sbin/nologin spanwatch-cloud
	else
		addgroup -S spanwatch-cloud
		adduser -S -D -H -h /var/lib/spanwatch/cloud -s /sbin/nologin -G spanwatch-cloud spanwatch-cloud
	fi
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart spanwatch-cloud.service
fi
