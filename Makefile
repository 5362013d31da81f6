# What a person does with this checkout. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Stages share the processors anyway, and their output must not mix.
.NOTPARALLEL:

# Where cargo builds; CI puts it outside the checkout.
TARGET  := $(or $(CARGO_TARGET_DIR),target)
# The Python environment of tests, demo and benchmarks; made once, remade when requirements change.
VENV    := $(or $(SQUALL_VENV),.cache/venv)
PYTHON  := $(VENV)/bin/python
# The binary that tests and demo start. A link of its own: another build cannot pull it away from under them.
BIN     := .cache/bin
# On a terminal cargo may show its progress; in a log it would be noise.
QUIET   := $(shell test -t 2 || echo --quiet)
STAGE   := .ci/stage

.PHONY: help
help: ## Show this list
	@echo "Squall: a serverless engine for data science that speaks AWS wire protocols."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: install-deps ## Build the release binary, target/release/squall
	@$(STAGE) "build squall (release)" cargo build $(QUIET) --locked --release -p squall
	@mkdir -p $(BIN) && cp -f $(TARGET)/release/squall $(BIN)/squall.new && mv -f $(BIN)/squall.new $(BIN)/squall

.PHONY: demo
demo: build $(VENV)/.ready ## Start an engine in a temporary directory and run a scipy script as a function
	@SQUALL_BIN=$(CURDIR)/$(BIN)/squall $(PYTHON) examples/demo.py

.PHONY: test
test: install-deps lint test-rust test-python ## Run everything that CI runs: format, lints, Rust tests, real clients over the wire

.PHONY: lint
lint: ## Check format, clippy, layers, file lengths, and licences where cargo-deny is installed
	@$(STAGE) "format" cargo fmt --all --check
	@$(STAGE) "clippy" cargo clippy $(QUIET) --locked --workspace --all-targets -- -D warnings
	@$(STAGE) "layers, lengths, module docs" cargo run $(QUIET) --locked -p xtask -- check
	@if command -v cargo-deny > /dev/null; then \
	  $(STAGE) "licences and sources" cargo deny --offline --log-level error check --hide-inclusion-graph bans licenses sources; fi

.PHONY: test-rust
test-rust: ## Run the Rust tests alone
	@if command -v cargo-nextest > /dev/null; then \
	  $(STAGE) "Rust tests" cargo nextest run $(QUIET:--quiet=--cargo-quiet) --locked --workspace --no-tests fail --no-fail-fast \
	    --retries 1 --show-progress none --status-level retry --final-status-level flaky; \
	else \
	  $(STAGE) "Rust tests" cargo test $(QUIET) --locked --workspace --all-targets --no-fail-fast; fi
	@$(STAGE) "Rust doctests" .ci/quietly cargo test $(QUIET) --locked --workspace --doc

.PHONY: test-python
test-python: $(VENV)/.ready ## Run the tests with real clients alone (boto3, aws CLI, runtime clients), two files at a time
	@$(STAGE) "build squall (dev)" cargo build $(QUIET) --locked -p squall
	@mkdir -p $(BIN) && cp -f $(TARGET)/debug/squall $(BIN)/squall-dev.new && mv -f $(BIN)/squall-dev.new $(BIN)/squall-dev
	@SQUALL_BIN=$(CURDIR)/$(BIN)/squall-dev $(STAGE) "real clients" .ci/real-clients $(PYTHON)

.PHONY: bench
bench: build $(VENV)/.ready ## Measure Squall and its peers in one run, and write bench/RESULTS.md
	@SQUALL_BIN=$(CURDIR)/$(BIN)/squall $(PYTHON) bench/run.py

.PHONY: install-deps
install-deps: ## Check for what build and tests need, and install it where that is possible
	@.ci/install-deps

# Python packages come from PyPI at pinned versions; the stamp is older than requirements that changed.
$(VENV)/.ready: tests/requirements.txt .ci/venv
	@$(STAGE) "Python packages" .ci/venv $(VENV) tests/requirements.txt
