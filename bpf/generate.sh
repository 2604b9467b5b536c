#!/usr/bin/env bash
# Compiles the programs that run in the kernel, and makes the Go code that loads them. The object's bytes depend on the
# compiler: it is the one of Debian 12.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v clang-14 >/dev/null || ! command -v llvm-strip-14 >/dev/null || [ ! -e /usr/include/bpf/bpf_helpers.h ]; then
	echo "bpf: not generated: install clang-14, llvm-14 and libbpf-dev (Debian 12)" >&2
	[ -z "${CI:-}" ] && exit 0
	exit 1
fi
go run github.com/cilium/ebpf/cmd/bpf2go -go-package bpf -cc clang-14 -strip llvm-strip-14 -target bpfel \
	-type key -type flow -type sums -type options \
	-cflags "-O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3 -idirafter /usr/include/$(uname -m)-linux-gnu" \
	kernel c/spanwatch.c
