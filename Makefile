# SPDX-License-Identifier: Apache-2.0
# The index of verbs; each script lives beside what it runs, and CI calls the same recipes.

SHELL := /bin/sh
# rustup's, where a login shell has not put it into the path.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help build demo demo-clean test lint docs bench bench-full oracle fuzz
.PHONY: install-build install-lab

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

build: install-build ## target/release/penstock
	cargo build --release -p penstock

demo: install-build install-lab ## real HTTP and DNS through a director; KEEP=1 leaves it up
	cargo build --release -p penstock -p penstock-tests --bin penstock --bin demo
	KEEP=$(KEEP) target/release/demo

demo-clean: install-build ## removes what KEEP=1 left up
	cargo build --release -q -p penstock -p penstock-tests --bin demo
	target/release/demo clean

test: install-build install-lab ## every test, those in network namespaces too
	@tests/run.sh

lint: install-build ## formatting, clippy, documentation, dependency policy
	@tests/lint.sh

docs: ## writes what is generated from the code: configs/reference.toml, tables in docs/
	UPDATE_REFERENCE=1 cargo test -q -p penstock-config
	UPDATE_DOCS=1 cargo test -q -p penstock-tests --test tidy

bench: install-build ## penstock beside testpmd, in at most 15 minutes; target/bench/bench.json
	cargo build --release -p penstock
	@perf/bench.sh

bench-full: bench ## the whole matrix (today: the same rows as bench)
	@echo "bench-full has no rows of its own yet: the table above is what 'make bench' measures"

# Replays recorded cases (CASES=DIR, default: the project's own) and compares with the kernel's
# answers; ANSWERS=DIR gets each case with the engine's answers.
oracle: ## replays what the real kernel answered; CASES=DIR ANSWERS=DIR
	@cargo run --release -q -p penstock-tests --bin oracle -- \
		$(if $(CASES),--cases "$(CASES)") $(if $(ANSWERS),--answers "$(ANSWERS)")

fuzz: ## coverage-guided, on nightly; SECONDS=N for each target, TARGET=NAME for one
	@dataplane/fuzz/all.sh $(or $(SECONDS),600) $(TARGET)

install-build:
	@tests/install-build.sh

install-lab:
	@tests/lab/install.sh
