# Cadre's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Static binaries run in any image, musl included.
GO      := CGO_ENABLED=0 go
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: $(if $(shell command -v npm),web/dist/index.html,no-console) ## Build bin/cadre, console included (and bin/oz, the same program under the reference CLI's name)
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/cadre ./cmd/cadre
	@ln -sfn cadre bin/oz

.PHONY: no-console
no-console:
	@echo 'npm is missing: building without the console; install Node.js to have it'

WEB := $(shell git ls-files web ':!web/dist')
web/dist/index.html: $(WEB) web/node_modules/.installed
	@rm -rf web/dist/assets
	cd web && npm run --silent build -- --logLevel warn
	@touch $@

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: run
run: build ## Start Cadre, watch the showcase run, stay up (CADRE_LISTEN, CADRE_DATA)
	@exec bin/cadre up --demo

.PHONY: test
test: build ## Everything that passes the tests; installs what they need as root on Debian
	@scripts/test

.PHONY: crash
crash: build ## Only the crash suite: kill -9 of every process at every persisted step
	$(GO) test -count=1 -timeout 20m ./test/crash/

.PHONY: bench
bench: build ## Measure the budgets of DESIGN.md beside floors from the same run
	@bin/cadre dev bench

.PHONY: gen
gen: bin/oapi-codegen web/node_modules/.installed ## Regenerate what comes from api/openapi.yaml
	go generate ./api ./internal/server/httpapi
	cd web && npm run --silent gen

.PHONY: check
check: bin/golangci-lint gen ## Format, vet, lint; generated files must be current
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt these files:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@go mod tidy -diff >/dev/null || { echo 'go.mod is not tidy: run go mod tidy and commit it'; exit 1; }
	@git diff --exit-code -- api/api.gen.go docs/permissions.md web/src/api/schema.gen.ts || { echo 'generated files are stale: run make gen and commit them'; exit 1; }
	cd web && npm run --silent check
	go vet ./...
	bin/golangci-lint run ./...

.PHONY: lint
lint: bin/golangci-lint ## Lint only
	bin/golangci-lint run ./...

.PHONY: clean
clean: ## Remove what building made
	rm -rf bin .cache web/node_modules web/dist/assets web/dist/index.html

bin/oapi-codegen: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/oapi-codegen github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
