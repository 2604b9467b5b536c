#!/usr/bin/env bash
# Generates what is committed but not written by hand: the Go and TypeScript code of the protobufs, and the built pages.
set -euo pipefail
cd "$(dirname "$0")/.."
proto/generate.sh
cloud/web/ui/build.sh
