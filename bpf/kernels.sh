#!/usr/bin/env bash
# Fetches the kernels that the programs must be accepted by besides the machine's own: Debian 12's and its newer one, and
# that of Debian 12 for arm64. They are only read, and booted in a virtual machine by TestOtherKernels.
set -euo pipefail
cd "$(dirname "$0")/.."
into=$PWD/.tools/kernels
mkdir -p "$into"
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -r "$work"' EXIT

# fetch ARCHITECTURE META fetches the kernel that a metapackage names. Lists of packages of an architecture that is not
# the machine's are kept apart from the machine's own.
fetch() {
	local apart=()
	if [ "$1" != "$(dpkg --print-architecture)" ]; then
		apart=(-o "APT::Architecture=$1" -o "APT::Architectures=$1" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o Acquire::Languages=none)
		if [ ! -e "$work/lists" ]; then
			mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
			apt-get -qq "${apart[@]}" update
		fi
	fi
	local package kernel
	package=$(apt-cache "${apart[@]}" depends "$2" | awk '/Depends:/ { print $2; exit }')
	[ -n "$package" ] || { echo "kernels: no package $2 here" >&2; exit 1; }
	kernel=vmlinuz-${package#linux-image-}
	[ -e "$into/$kernel" ] && return
	(
		mkdir "$work/$package"
		cd "$work/$package"
		apt-get "${apart[@]}" download -qq "$package" 2>/dev/null
		dpkg --fsys-tarfile ./*.deb | tar -x --strip-components=2 --wildcards './boot/vmlinuz*'
	)
	mv "$work/$package/$kernel" "$into/$kernel"
}

apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt-get update -qq
fetch amd64 linux-image-cloud-amd64
fetch amd64 linux-image-6.12-cloud-amd64
ls "$into"/*-cloud-arm64 >/dev/null 2>&1 || fetch arm64 linux-image-cloud-arm64
ls "$into"
