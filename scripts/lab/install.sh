#!/bin/sh
# Installs what the lab needs on Debian 12: the tools from apt, and two libraries of Debian 13 that are
# only unpacked, into .tools/lab, where nothing else on the machine sees them. Run as root from the
# repository's root. It can run again: what is there already is kept.
set -eu

tools=${1:-.tools/lab}
arch=$(dpkg --print-architecture)
[ "$arch" = amd64 ] || { echo "install.sh: the pinned packages are for amd64, this is $arch" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "install.sh: run as root" >&2; exit 1; }

apt-get install -y --no-install-recommends python3-pymodbus=3.0.0-7 python3-serial-asyncio=0.6-4 \
	tcpdump iproute2 iputils-ping ethtool procps gcc libc6-dev ca-certificates >/dev/null

mkdir -p "$tools/debs" "$tools/lib" "$tools/bin" "$tools/apt/lists/partial" "$tools/apt/archives/partial" "$tools/apt/sources"
tools=$(cd "$tools" && pwd)
touch "$tools/apt/status"
# The archive that this machine takes its own packages from.
# shellcheck disable=SC2016 # apt expands it
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
[ -n "$archive" ] || { echo "install.sh: apt knows no archive: run apt-get update first" >&2; exit 1; }
cat >"$tools/apt/sources/trixie.sources" <<EOF
Types: deb
URIs: $archive
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
cat >"$tools/apt/apt.conf" <<EOF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$tools/apt/sources";
Dir::State::lists "$tools/apt/lists";
Dir::State::status "$tools/apt/status";
Dir::Cache "$tools/apt";
APT::Sandbox::User "root";
EOF

# name, version, SHA256 of the package for amd64
pinned() {
	cat <<EOF
libsnap7-1 1.4.2+dfsg-1+b1 d300b6e4f03d84c756f85dc9e6ec5c918c3b54d37042242d52df166d6c1661ed
libopen62541-1.4 1.4.11.1-1 0b295321acde5e7f32c9ed40d0471eb8cbfafa304384b35f80dec9fb1fabd3a0
libopen62541-1.4-dev 1.4.11.1-1 0f0d2cf878209fe366d1bd3faddc3548b9a2fe009ac1ed5717e9dce34d71737b
libmbedcrypto16 3.6.6-0.1~deb13u1 b38baf2ecaca7b28b3005d34b8108ee9b17681426b20662813995e939aea6dfa
libmbedx509-7 3.6.6-0.1~deb13u1 e0b6630efcf9eae2e05172496576bc3235be134a6bbf8da4cf3570fba65f65b8
libmbedtls21 3.6.6-0.1~deb13u1 9e280505afa5f5aa7034e494e7466c82d8e9af2eb3bf2edf46bab0bd7b62e1ac
EOF
}

export APT_CONFIG="$tools/apt/apt.conf"
updated=
pinned | while read -r name version sum; do
	deb="$tools/debs/$name.deb"
	if ! echo "$sum  $deb" | sha256sum --check --status 2>/dev/null; then
		[ -n "$updated" ] || { apt-get update -qq; updated=yes; }
		rm -f "$tools/debs/${name}_"*.deb
		(cd "$tools/debs" && apt-get download -qq "$name=$version")
		mv "$tools/debs/${name}_"*.deb "$deb"
		echo "$sum  $deb" | sha256sum --check --quiet
	fi
	dpkg -x "$deb" "$tools/root"
done
unset APT_CONFIG

cp -a "$tools"/root/usr/lib/x86_64-linux-gnu/lib*.so* "$tools/lib/"
gcc -O2 -Wall -I"$tools/root/usr/include" -o "$tools/bin/opcua-server" scripts/lab/opcua/server.c \
	-L"$tools/lib" -lopen62541 -Wl,-rpath-link,"$tools/lib"
echo "install.sh: ready in $tools"
