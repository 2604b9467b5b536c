#!/bin/sh
# Builds the pages into dist/, which is committed so that Go alone makes the program. Run it from anywhere; it needs
# node (20.19 or newer), npm and protoc (Debian: protobuf-compiler). Two runs write the same bytes.
set -eu

cd "$(dirname -- "$0")"
for program in node npm protoc; do
	if ! command -v "$program" >/dev/null; then
		echo "cloud/web/ui/build.sh: $program is missing; install it, on Debian with: apt-get install nodejs npm protobuf-compiler" >&2
		exit 1
	fi
done
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
	echo "cloud/web/ui/build.sh: node $(node --version) is too old; 20.19 or newer is needed" >&2
	exit 1
fi

npm ci --ignore-scripts --no-progress
npm run --silent generate
npm run --silent check
npm run --silent build
