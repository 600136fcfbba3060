# Latchkey's targets. Everything that they need beside Go, Node and make, they install from the project's own files.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS    := bin/tools
FUZZTIME ?= 10s
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
NPM      := web/node_modules/.package-lock.json
STEP     = @printf '\n== %s\n'

.PHONY: help build run test vet lint check-generated unit generate fuzz bench clean

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

build: ## builds bin/latchkey
	@mkdir -p bin
	go build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/latchkey ./cmd/latchkey

run: $(NPM) build ## starts the server with its database
	./bin/latchkey serve

test: $(NPM) ## installs what the tests need and runs all of them
	$(STEP) 'vet and lint'
	@$(MAKE) --no-print-directory lint
	$(STEP) 'is what is generated current?'
	@$(MAKE) --no-print-directory check-generated
	$(STEP) 'tests, with the race detector'
	@$(MAKE) --no-print-directory unit

unit: $(NPM)
	go test -buildvcs=false -race ./...

lint: $(TOOLS)/golangci-lint ## runs go vet and golangci-lint
	go vet ./...
	$(TOOLS)/golangci-lint run

generate: $(TOOLS)/oapi-codegen $(TOOLS)/sqlc $(NPM) ## makes everything below gen that is made
	bash gen/generate.sh

check-generated: $(TOOLS)/oapi-codegen $(TOOLS)/sqlc $(NPM) ## deletes what is generated, generates it and asks git
	bash gen/check.sh

fuzz: ## runs each fuzz target for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
	    echo "== $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	  done; done

bench: ## runs the benchmarks, with allocations
	go test -run '^$$' -bench . -benchmem ./...

clean: ## removes what was built and installed here
	rm -rf bin web/node_modules

# npm's own record is the stamp: it is written last.
$(NPM): web/package.json web/package-lock.json
	cd web && npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

# Without the stamp of the version control, which a clone of another user refuses to tell.
$(TOOLS)/oapi-codegen $(TOOLS)/sqlc &: gen/tools/go.mod gen/tools/go.sum
	@mkdir -p $(TOOLS)
	cd gen/tools && go build -buildvcs=false -o ../../$(TOOLS)/ tool
	@touch $(TOOLS)/oapi-codegen $(TOOLS)/sqlc

$(TOOLS)/golangci-lint: gen/tools/lint/go.mod gen/tools/lint/go.sum
	@mkdir -p $(TOOLS)
	cd gen/tools/lint && go build -buildvcs=false -o ../../../$(TOOLS)/ tool
	@touch $@
