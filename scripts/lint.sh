#!/usr/bin/env bash
# Static checks. staticcheck and buf come from the module proxy and from npm, at fixed versions.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted with gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
npx --yes @bufbuild/buf@1.75.0 lint
if command -v shellcheck >/dev/null; then
	git ls-files -z '*.sh' '.ci/run' | xargs -0 shellcheck
else
	echo 'lint: shellcheck is not installed, shell scripts were not checked' >&2
fi
