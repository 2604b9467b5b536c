#!/usr/bin/env bash
# Generates what is committed but not written by hand: the Go and TypeScript code of the protobufs, the
# programs for the kernel, and the built pages.
set -euo pipefail
cd "$(dirname "$0")/.."
proto/generate.sh
bpf/generate.sh
cloud/web/ui/build.sh
