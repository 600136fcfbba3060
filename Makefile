# Latchkey's targets. They need Go, a C compiler, Node and make, and install everything else from
# the project's own files. GNU make 3.81, as macOS has it, is enough.

SHELL := bash
.DEFAULT_GOAL := help

TOOLS    := bin/tools
FUZZTIME ?= 10s
BENCH    ?=
RELEASE  ?=
# The clone may belong to another user, as a container's mount does. git refuses such a clone unless
# it is named as safe. Without git or its history there is still a version.
GIT      := git -c "safe.directory=$(CURDIR)"
VERSION   = $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT    = $(shell TZ=UTC $(GIT) log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format='%H %cd' 2>/dev/null)
KNOWN     = -X main.version=$(VERSION) -X main.commit=$(word 1,$(COMMIT)) -X main.date=$(word 2,$(COMMIT))
# NPM are all packages; NPM_RUN are the few that the server and the demo need to run. npm writes its
# own record last, so it serves as a stamp. The matrix is a project of its own, used by its test
# only.
NPM      := web/node_modules/.complete
NPM_RUN  := web/node_modules/.package-lock.json
# Other people's generators of clients, which only one test needs.
GENERATORS := web/generators/node_modules/.complete
NPM_PINS := web/package.json web/package-lock.json $(patsubst %,web/%/package.json,client demo e2e)
MATRIX   := web/matrix/node_modules/.complete
CLIENT   := web/client/dist/cjs/package.json

# The steps of make test, in their order, and the inputs of each step.
STEPS := lint lint-contract check-generated unit test-binary test-deploy test-client test-matrix lint-web test-web \
	test-generators test-release specmatic
PASSED := $(STEPS:%=bin/passed/%)
INPUTS := $(STEPS:%=bin/inputs/%) bin/inputs/client bin/inputs/machine
LIST    = find Makefile $($*) \( $(MADE) \) -prune -o -type f -exec cksum {} +
MADE   := -name node_modules -o -name dist -o -name .work -o -name made -o -name screenshots -o \
	-path web/client/src/api.ts -o -path web/client/commonjs/src
# The inputs of the binary.
SERVER  = go.mod go.sum $(shell find authn cmd impl schema gen/api gen/db gen/swagger-ui \
	-name testdata -prune -o -name '*test' -prune -o -type f ! -name '*_test.go' -print)
PINS   := web/package.json web/package-lock.json web/.npmrc

lint            = .golangci.yml go.mod go.sum authn bench cmd deploy gen impl schema web/demo/api
lint-contract   = openapi.yaml gen $(PINS)
check-generated = openapi.yaml sqlc.yaml schema queries gen $(PINS)
test-binary     = $(filter-out bin,$(wildcard *)) .ci
test-deploy     = $(SERVER) Dockerfile .dockerignore compose.yaml deploy $(PINS)
client          = web/client/src web/client/commonjs web/client/package.json web/client/tsconfig.json \
	web/client/tsconfig.build.json gen/ts $(PINS)
test-client     = $(SERVER) web/client web/demo/src web/e2e/server.ts web/e2e/mails.ts authn/authntest gen/ts \
	docs/client.md docs/react.md docs/start.md $(PINS)
test-matrix     = $(SERVER) $(client) web/matrix web/e2e/server.ts web/e2e/browser.ts web/e2e/chromium.ts docs/nextjs.md
lint-web        = web gen/ts
test-web        = $(SERVER) $(client) web/demo web/e2e docs/deploying.md docs/react.md
test-generators = $(SERVER) web/generators web/e2e/server.ts web/e2e/tsconfig.json gen/tools $(PINS)
test-release    = $(SERVER) web/npm deploy LICENSE README.md CHANGELOG.md openapi.yaml $(PINS)
specmatic       = $(SERVER) gen/specmatic gen/specmatic.sh $(PINS)

# Go asks git too, and fails in such a clone. The binary gets its version by -ldflags instead.
# go.mod names the version of Go to build with, and GOTOOLCHAIN=local would build with another one,
# which may have known vulnerabilities.
export GOTOOLCHAIN := auto
export GOFLAGS := $(strip $(filter-out -buildvcs=%,$(shell go env GOFLAGS)) -buildvcs=false)

.PHONY: help build run demo demo-api image test left-out lint lint-contract lint-web check-generated unit \
	test-binary test-deploy test-client test-matrix test-web test-generators test-release specmatic client generate \
	release release-contract fuzz audit bench clean

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

build: ## builds bin/latchkey
	@mkdir -p bin
	go build -trimpath -ldflags '-s -w $(KNOWN)' -o bin/latchkey ./cmd/latchkey

run: $(NPM_RUN) build ## starts the server with its database, and shows its mails at /dev/mails/
	./bin/latchkey serve --dev

# Only this entry of the client is built, because the others need packages that the demo doesn't
# use.
demo: $(NPM_RUN) demo-api ## starts the demo, its page and its API, for a server that runs already
	npm --prefix web/client run --silent build:browser
	node web/demo/start.mjs bin/demo-api

demo-api:
	@mkdir -p bin
	go build -trimpath -o bin/demo-api ./web/demo/api

# All files in the images have the commit's date, so that the same commit gives the same images.
image: $(NPM_RUN) ## makes the container images in bin/image, without Docker
	SOURCE_DATE_EPOCH=$$($(GIT) log -1 --format=%ct 2>/dev/null) sh deploy/image/make.sh '$(VERSION)' bin/image $(COMMIT)
	@ls bin/image/*.tar

test: left-out $(NPM) $(PASSED) ## installs what the tests need, and runs all that has changed since it passed

# A step that has passed runs again only if its list in bin/inputs has changed: other files, other
# contents or another machine. The list is written before the step begins, so a change during the
# step counts for the next time.
$(PASSED): bin/passed/%: bin/inputs/% bin/inputs/machine
	@printf '\n== %s\n' $*
	@$(MAKE) --no-print-directory $*
	@mkdir -p $(@D)
	@touch $@

$(INPUTS): bin/inputs/%: FORCE
	@mkdir -p $(@D)
	@set -eo pipefail; { $(LIST); } | LC_ALL=C sort >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# The reason for which something is left out may name a temporary folder, so it is cut off.
bin/inputs/machine: LIST = $(MAKE) --no-print-directory left-out | cut -d : -f 1,2; node --version; \
	java -version 2>&1 || true; env | sed -n '/^CI=/p; /^LATCHKEY_/p'

# Go's cache knows which tests have to run again, but not that a program was installed since.
bin/passed/unit: FORCE
bin/passed/machine: bin/inputs/machine
	go clean -testcache
	@mkdir -p $(@D)
	@touch $@

FORCE:
.NOTPARALLEL:

# Prints what this machine lacks: Debian programs that some tests use, and rights.
left-out:
	@awk '!/^#/ && NF == 2 && system("test -e " $$2) != 0 {print "left out: the tests that go through " $$1 ", which is not installed"}' \
	  .ci/debian-packages
	@sh deploy/can.sh

unit: $(NPM) bin/passed/machine
	go test -race -timeout 20m $$(go list ./... | grep -v /cmd/)

# These tests run programs that read the rest of the project. Go doesn't see that, so it must not
# cache them. bench is a module of its own, which keeps its dependencies out of the server's go.mod.
test-binary: $(NPM)
	go test -race -count=1 -timeout 20m ./cmd/...
	cd bench && go test -race -count=1 -timeout 20m ./...

# deploy is a module of its own, too. It makes the image, and tests the files that run it elsewhere.
test-deploy: $(NPM)
	cd deploy && go test -count=1 -timeout 20m ./...

client: $(CLIENT)

# The target is the last file that the build writes.
$(CLIENT): bin/inputs/client | $(NPM)
	npm --prefix web/client run --silent build

test-client: build client
	npm --prefix web/client test

test-matrix: build client $(MATRIX)
	npm --prefix web/matrix test

# The linter reads the types of the built client.
lint-web: client $(MATRIX)
	npm --prefix web run --silent lint

test-web: build client demo-api
	npm --prefix web/e2e test

test-generators: $(NPM) $(GENERATORS) build $(TOOLS)/.generators
	npm --prefix web/generators test

# The npm packages run with npm's PostgreSQL.
test-release: $(NPM)
	cd deploy/release && go test -count=1 .

specmatic: $(NPM) build
	bash gen/specmatic.sh

# The linter has all of go vet's analyses, but skips generated code.
lint: $(TOOLS)/.lint ## runs golangci-lint, and go vet on what is generated
	@! find authn bench cmd deploy impl schema web/demo/api -name '*.go' -exec awk \
	  '{wide = $$0; gsub(/\t/, "    ", wide)} /^[\t ]*\/\/ / && length(wide) > 100 && !/[^\t -~]/ \
	  {print FILENAME ":" FNR ": the comment has more than 100 columns"}' {} + | grep .
	go vet ./gen/...
	$(TOOLS)/golangci-lint run
	cd bench && "$(CURDIR)/$(TOOLS)/golangci-lint" run
	cd deploy/release && "$(CURDIR)/$(TOOLS)/golangci-lint" run
	cd deploy && "$(CURDIR)/$(TOOLS)/golangci-lint" run

lint-contract: $(NPM) $(TOOLS)/.oasdiff ## lints openapi.yaml, and fails if it breaks clients under the same version
	bash gen/lint/test.sh
	bash gen/lint.sh
	bash gen/released/test.sh
	bash gen/breaking.sh

generate: $(TOOLS)/.generators $(NPM) ## makes everything below gen that is made
	bash gen/generate.sh

check-generated: $(TOOLS)/.generators $(NPM) ## deletes what is generated, generates it and asks git
	@bash gen/check.sh || { $(GIT) --no-pager diff -- gen; exit 1; }

# It runs with the Go that go.mod names, because another version would make other bytes.
release: ## makes the files of a release of the last commit in dist/release (RELEASE='-platforms linux_amd64')
	GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' go.mod) go -C deploy/release run . -root "$(CURDIR)" -out "$(CURDIR)/dist/release" \
	  $(RELEASE)

release-contract: $(TOOLS)/.oasdiff ## makes the contract and the statements those that the next change is held to
	bash gen/release.sh

fuzz: ## tries a million random keys of each form, sends 20,000 requests made from the contract, and runs each fuzz target for FUZZTIME
	go test ./impl/secret -count=1 -timeout 1h -run '^TestB13_RandomKeysAreTaken$$' -random-keys 1000000
	go test ./impl -count=1 -run '^TestContractFuzz$$' -rapid.checks=55 -rapid.seed=0
	@set -eu; for file in $$(grep -rl --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' .); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
	    printf '\n== %s in %s\n' "$$target" "$$file"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	  done; \
	done

audit: $(TOOLS)/.audit $(NPM_RUN) ## asks for known vulnerabilities and for the licences of all dependencies
	bash gen/audit.sh

bench: build ## measures the server (BENCH='-d 1s -rounds 1'), then runs the Go benchmarks
	cd bench && go run . $(BENCH)
	go test -run '^$$' -bench . -benchmem ./...

clean: ## removes what was built and installed here
	rm -rf bin dist web/node_modules web/*/node_modules web/*/dist web/e2e/screenshots web/matrix/.work web/generators/made \
	  web/generators/go/made

$(NPM): $(NPM_PINS)
	cd web && npm ci --ignore-scripts --no-fund --no-audit
	@touch $(NPM_RUN) $@

$(NPM_RUN): $(NPM_PINS)
	cd web && npm ci --omit=dev --ignore-scripts --no-fund --no-audit
	@touch $@

$(GENERATORS): web/generators/package.json web/generators/package-lock.json
	cd web/generators && npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

$(MATRIX): web/matrix/package.json web/matrix/package-lock.json
	cd web/matrix && npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

# Each module of tools has a stamp, and is built again when its pins change.
$(TOOLS)/.generators: gen/tools/go.mod gen/tools/go.sum
	@mkdir -p $(TOOLS)
	cd gen/tools && go build -o "$(CURDIR)/$(TOOLS)/" tool
	@touch $@

$(TOOLS)/.oasdiff: gen/tools/oasdiff/go.mod gen/tools/oasdiff/go.sum
	@mkdir -p $(TOOLS)
	cd gen/tools/oasdiff && go build -o "$(CURDIR)/$(TOOLS)/" tool
	@touch $@

$(TOOLS)/.audit: gen/tools/audit/go.mod gen/tools/audit/go.sum $(wildcard gen/tools/audit/licences/*.go)
	@mkdir -p $(TOOLS)
	cd gen/tools/audit && go build -o "$(CURDIR)/$(TOOLS)/" tool ./licences
	@touch $@

$(TOOLS)/.lint: gen/tools/lint/go.mod gen/tools/lint/go.sum
	@mkdir -p $(TOOLS)
	cd gen/tools/lint && go build -o "$(CURDIR)/$(TOOLS)/" tool
	@touch $@
