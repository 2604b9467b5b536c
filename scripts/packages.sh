#!/usr/bin/env bash
# What is installed on other machines: packages and container images of the programs, for amd64 and arm64 or those of
# $ARCHITECTURES, into dist/ or $DIST. Needs Go, make and git only. The same commit gives the same bytes: every time in them is that of the commit, or
# SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."

export DIST=${DIST:-dist}
# Files that are packed must be readable for all, whoever packs them.
umask 022
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# A version that every kind of package can order: that of the tag v1.2.3 is 1.2.3; after it come versions before 1.2.4.
version() {
	local described
	if ! described=$(git describe --tags --long --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null); then
		echo "0.1.0-dev.$(git rev-list --count HEAD)+g$(git rev-parse --short HEAD)"
		return
	fi
	[[ $described =~ ^v([0-9]+\.[0-9]+)\.([0-9]+)-([0-9]+)-(g[0-9a-f]+)$ ]] ||
		{ echo "packages: the tag of $described is no version such as v1.2.3" >&2; return 1; }
	if [ "${BASH_REMATCH[3]}" = 0 ]; then
		echo "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
	else
		echo "${BASH_REMATCH[1]}.$((BASH_REMATCH[2] + 1))-dev.${BASH_REMATCH[3]}+${BASH_REMATCH[4]}"
	fi
}
nfpm() { go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2 "$@"; }

VERSION=$(version)
export VERSION

# An apk carries the times of these files, which are otherwise those of the checkout.
touch --date="@$SOURCE_DATE_EPOCH" packaging/*.sh

mkdir -p "$DIST"
rm -rf "$DIST"/{amd64,arm64,spanwatch-*,seccomp.json}
for ARCH in ${ARCHITECTURES:-amd64 arm64}; do
	export ARCH
	make --no-print-directory build GOARCH="$ARCH" BIN="$DIST/$ARCH" VERSION="$VERSION"
	# A tag cannot have the plus sign.
	go run ./scripts/image -context "$DIST/$ARCH" -arch "$ARCH" -name "localhost/spanwatch-agent:${VERSION/+/-}" \
		-out "$DIST/spanwatch-agent_${VERSION}_$ARCH.image.tar"
	for program in agent cloud; do
		for kind in deb rpm apk; do
			nfpm package --config packaging/nfpm-$program.yaml --packager $kind --target "$DIST/"
		done
	done
done
cp packaging/seccomp.json "$DIST/"
