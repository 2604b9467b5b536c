#!/usr/bin/env bash
# Fetches the kernels that the programs must be accepted by besides the machine's own: Debian 12's and its newer one. They
# are only read, and booted in a virtual machine by TestOtherKernels.
set -euo pipefail
cd "$(dirname "$0")/.."
into=$PWD/.tools/kernels
mkdir -p "$into"
apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt-get update -qq
for meta in linux-image-cloud-amd64 linux-image-6.12-cloud-amd64; do
	package=$(apt-cache depends "$meta" | awk '/Depends:/ { print $2; exit }')
	[ -n "$package" ] || { echo "kernels: no package $meta here" >&2; exit 1; }
	kernel=vmlinuz-${package#linux-image-}
	[ -e "$into/$kernel" ] && continue
	work=$(mktemp -d)
	chmod 755 "$work"
	(
		cd "$work"
		apt-get download -qq "$package" 2>/dev/null
		dpkg --fsys-tarfile ./*.deb | tar -x --strip-components=2 --wildcards './boot/vmlinuz*'
	)
	mv "$work/$kernel" "$into/$kernel"
	rm -r "$work"
done
ls "$into"
