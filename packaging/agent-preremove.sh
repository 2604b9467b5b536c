#!/bin/sh
# Runs before the files go. An upgrade leaves the service running: it is restarted when the new files are there. The
# argument is a word in Debian's packages, a number of versions that stay in those of rpm, nothing of either in apk's.
set -e
case ${1:-} in
upgrade | [1-9]) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now spanwatch-agent.service
fi
