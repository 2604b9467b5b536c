#!/bin/sh
# Runs when the files are there: after the first installation, and after an upgrade.
set -e
if ! grep -q '^spanwatch:' /etc/passwd; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers /usr/lib/sysusers.d/spanwatch-agent.conf
	elif command -v useradd >/dev/null; then
		useradd --system --user-group --no-create-home --home-dir /var/lib/spanwatch/agent --shell /usr/sbin/nologin spanwatch
	else
		addgroup -S spanwatch
		adduser -S -D -H -h /var/lib/spanwatch/agent -s /sbin/nologin -G spanwatch spanwatch
	fi
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart spanwatch-agent.service
fi
