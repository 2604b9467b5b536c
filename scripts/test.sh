#!/usr/bin/env bash
# Every test of the repository. On Debian and as root it first installs what the tests need; elsewhere it says what is
# missing and tests that cannot do without it skip, unless CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

# install puts Debian packages on the machine when the command, or file, that shows their presence is missing.
install() {
	local missing=()
	while [ $# -gt 0 ]; do
		[ -e "$1" ] || command -v "$1" >/dev/null || missing+=("$2")
		shift 2
	done
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "test: not installed: ${missing[*]} (as root on Debian, make test installs them)" >&2
		return
	fi
	echo "test: installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
install protoc protobuf-compiler node nodejs npm npm chromium chromium shellcheck shellcheck ip iproute2 gcc gcc systemd-analyze systemd \
	podman podman buildah buildah runc runc \
	rpm2cpio rpm2cpio cpio cpio qemu-aarch64-static qemu-user-static systemd-nspawn systemd-container nsenter util-linux pgrep procps
# The programs for the kernel are compiled with the compiler of Debian 12; elsewhere what is committed is taken as it is.
install clang-14 clang-14 llvm-strip-14 llvm-14 /usr/include/bpf/bpf_helpers.h libbpf-dev ||
	echo 'test: no clang-14 here: the programs for the kernel are not compiled again' >&2

# Kernels that the programs are loaded into, in a virtual machine.
install qemu-system-x86_64 qemu-system-x86 qemu-system-aarch64 qemu-system-arm
if command -v qemu-system-x86_64 >/dev/null && command -v apt-get >/dev/null; then
	bpf/kernels.sh || echo 'test: other kernels cannot be fetched' >&2
fi

# The pages are built with node 20.19 or newer. Where the distribution's is older, npm has a newer one as a package.
if command -v node >/dev/null && ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
	[ -x .tools/node/node_modules/.bin/node ] || npm install --prefix .tools/node --no-save --silent node@22.23.3
	PATH=$PWD/.tools/node/node_modules/.bin:$PATH
	export PATH
fi

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step 'generated files are up to date'
scripts/generate.sh
changed=$(git status --porcelain -- proto bpf cloud/web)
if [ -n "$changed" ] && [ -n "${CI:-}" ]; then
	printf 'generated files differ from what is committed; run make generate and commit:\n%s\n' "$changed" >&2
	exit 1
fi

step 'static checks'
scripts/lint.sh

step 'both programs build, static, for amd64 and arm64'
make --no-print-directory build
make --no-print-directory build GOARCH=arm64 BIN=dist/arm64

step 'tests'
go test -race -timeout 20m ./...

step 'a short round of every fuzz target'
# By count: a round by time can end with "context deadline exceeded" when a worker is slow to stop.
scripts/fuzz.sh "${FUZZTIME:-4000x}"

step 'the demo'
DEMO_EXIT=1 scripts/demo.sh
