#!/bin/sh
# Generates the Go code of every contract in proto/ beside it. Run it from anywhere; what it writes depends on the
# .proto files, the pinned plugins and (a comment in their heads) the version of protoc. It needs protoc (Debian: protobuf-compiler) and Go.
set -eu

grpc_plugin=v1.6.2 # a module of its own; the other plugins come from the versions in go.mod

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$root/.tools
cd "$root"

if ! command -v protoc >/dev/null; then
	echo "proto/generate.sh: protoc is missing; install it, on Debian with: apt-get install protobuf-compiler" >&2
	exit 1
fi

mkdir -p "$tools"
go build -o "$tools/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
go build -o "$tools/protoc-gen-connect-go" connectrpc.com/connect/cmd/protoc-gen-connect-go
if [ "$("$tools/protoc-gen-go-grpc" --version 2>/dev/null || true)" != "protoc-gen-go-grpc ${grpc_plugin#v}" ]; then
	GOBIN=$tools go install "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$grpc_plugin"
fi

# The list of files is sorted by the shell, so that the order never depends on the file system.
cd proto
LC_ALL=C
export LC_ALL
for file in spanwatch/v1/*.proto; do
	case $file in
	*/web.proto) # answered over HTTP with JSON, for browsers
		protoc --plugin="$tools/protoc-gen-go" --plugin="$tools/protoc-gen-connect-go" \
			--go_out=. --go_opt=paths=source_relative \
			--connect-go_out=. --connect-go_opt=paths=source_relative "$file"
		;;
	*)
		protoc --plugin="$tools/protoc-gen-go" --plugin="$tools/protoc-gen-go-grpc" \
			--go_out=. --go_opt=paths=source_relative \
			--go-grpc_out=. --go-grpc_opt=paths=source_relative "$file"
		;;
	esac
done
