# Every target works on a fresh machine with Go, make and git; `make test` installs what the tests need (root, Debian).
SHELL := /bin/bash
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || echo -modified)
LDFLAGS := -s -w -X main.release=$(VERSION) -X github.com/spanwatch/spanwatch/cli.commit=$(COMMIT)
# The sources are plain Go: the same command builds for arm64 with GOARCH=arm64, elsewhere with BIN=DIR.
BIN ?= bin
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
FUZZTIME ?= 10s
PEERS ?= /tmp/spanwatch-bench

.PHONY: build generate packages demo test test-go bench bench-peers bench-capture lint fuzz accuracy lab clean

build: ## both programs, static, into bin/
	$(GOBUILD) -o $(BIN)/spanwatch-agent ./agent
	$(GOBUILD) -o $(BIN)/spanwatch-cloud ./cloud

generate: ## everything that is generated and committed: protobuf code, the pages
	scripts/generate.sh

packages: ## deb, rpm, apk and container images for amd64 and arm64, into dist/
	scripts/packages.sh

demo: ## a recorded plant under attack: the alert here, the incident in the browser
	scripts/demo.sh

test: ## every test, installing what the tests need
	scripts/test.sh

bench: ## the benchmarks of the hot path, and of the largest site
	go test -run '^$$' -bench . -skip '^BenchmarkWholeSite$$' -benchmem -count 5 ./protocols/... ./capture/... ./bpf ./agent/...
	go test -run '^$$' -bench '^BenchmarkWholeSite$$' -benchtime 1x ./agent/sensor

bench-peers: build ## the sensor beside tcpdump, nDPI, Suricata and tshark, into docs/performance.md (root, Debian)
	scripts/bench/peers/install.sh $(PEERS)/suricata
	go run ./scripts/bench/peers -agent $(BIN)/spanwatch-agent -work $(PEERS) -out docs/performance.md

bench-capture: build ## what live capture handles in each mode, into docs/performance.md (root, two processors)
	go run ./scripts/bench/capture -agent $(BIN)/spanwatch-agent -out docs/performance.md

lint: ## vet, staticcheck, shellcheck, protobuf lint
	scripts/lint.sh

fuzz: ## every fuzz target for FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

accuracy: ## compare dissection with reference tables of public captures, which stand beside the checkout
	go run ./scripts/accuracy -captures ../shared/pcaps -truth ../shared/truth -out docs/accuracy.md

lab: ## record the fixtures again: real servers in network namespaces (root)
	scripts/lab/install.sh
	go run ./scripts/lab record attack
	go run ./scripts/lab record normal

clean:
	rm -rf bin dist .demo
