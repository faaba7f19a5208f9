# The only entry point. Every target is one command; `make` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Fault switches and the simulated clock exist in test binaries only: pipeline-tests brings knative-local's feature
# `simulation`, so that a release is built without that package.
TEST_FLAGS := --workspace --locked --features runtime/simulation

##@ Start here
.PHONY: run test
run: ready quick ## Set up, build, and watch a burst go through the whole pipeline
	target/quick/freshet up --demo --once --idle 3s

test: ready-test build-test ## Every test but the long ones
	cargo test $(TEST_FLAGS)

##@ Build
.PHONY: quick release static images build-test ready ready-build ready-test
# What `freshet up` runs, without Kafka, whose client and OpenSSL are built from C.
QUICK := --package cli --package ingest --package transform --package alert --package notify --package dead-letter \
	--package scheduler --package cleanup --package report --package canary --no-default-features --features cli/local

quick: ## What `make run` runs, soon built: not optimised, without Kafka
	@[ -x target/quick/freshet ] || echo "freshet: the first build compiles every library; on two free cores that takes 3 to 4 minutes" >&2
	cargo build --profile quick --locked $(QUICK) --bins

release: ## The binaries as they are shipped
	cargo build --release --locked --workspace --exclude pipeline-tests --exclude cluster-tests --bins

static: ## The same for images that hold nothing else; CARGO_PROFILE chooses another profile
	k8s/build

images: ## An image of each; needs a Docker engine. REGISTRY and TAG name them
	k8s/images

build-test: ## The binaries that the pipeline tests drive
	cargo build $(TEST_FLAGS) --bins

ready: ## Find or install what `make run` needs
	.ci/ready run

ready-build: ## Find or install what a build with Kafka needs
	.ci/ready build

ready-test: ## Find or install what the tests need
	.ci/ready test

##@ Kubernetes
.PHONY: kind dev test-cluster test-skaffold
kind: ## A cluster on this machine with all that the chart expects; needs a Docker engine
	k8s/kind/up

dev: ## skaffold dev: the pipeline on a cluster, built anew at each edit. PROFILE=load builds on the host
	k8s/dev/run $(PROFILE)

test-cluster: ## The chart on the cluster that KUBECONFIG points at; tests/cluster/run lists what else is read
	tests/cluster/run test-cluster $(SCENARIOS)

test-skaffold: ## Seconds from an edit to the answering revision, and their parts
	k8s/skaffold-time

##@ Test more
.PHONY: test-chart test-corpus test-faults test-long test-pipeline test-postgres fuzz lint format ci
test-corpus: ## Real samples of every built format; FRESHET_CORPUS names their folder
	cargo test $(TEST_FLAGS) --test corpus -- --nocapture

test-pipeline: ready-test build-test ## The real binaries under faults; FRESHET_SEED=n replays one run
	cargo test $(TEST_FLAGS) $(patsubst tests/pipeline/tests/%.rs,--test %,$(wildcard tests/pipeline/tests/*.rs))

test-chart: ## The chart: rendered, held against schemas and code, wrong values refused
	cargo test --locked --package chart-tests

# PATH names the programs; POSTGRES lists other folders of them.
test-postgres: ## What speaks to PostgreSQL, with the oldest and the newest that there is to fetch: 13 and 18
	bins="$${POSTGRES:-$$(.ci/postgres target/postgres)}"; for bin in $$bins; do \
		"$$bin/postgres" --version; \
		PATH="$$bin:$$PATH" cargo test $(TEST_FLAGS) --test adapter --test with_postgres --test batch; \
	done

test-faults: ready-test build-test ## Seeds of the pipeline tests and of jobs, 200 of them
	FRESHET_SEEDS=200 cargo test $(TEST_FLAGS) --test seeds --test alerts seeds -- --nocapture
	FRESHET_SEEDS=200 cargo test $(TEST_FLAGS) --test with_postgres each_slot_has_its_effect_once
	FRESHET_SEEDS=200 cargo test $(TEST_FLAGS) --package report --package canary --test seeds --test contract whatever_dies

test-long: ready-test build-test bench-spike ## bench-spike; what a burst costs beside a million devices, statement by statement (FRESHET_LONG is another size); what a payload leaves; a month of 100 million readings dropped; 10 million exported; a day of 10,000 devices rolled up
	FRESHET_LONG=$${FRESHET_LONG:-1000000} cargo test --locked --package growth-tests --test cleanup --test export --test growth --test hour --test rollups --test sizes -- --nocapture

fuzz: ## Each fuzz target for a minute; needs the nightly compiler and cargo-fuzz
	.ci/fuzz

lint: ## rustfmt and clippy; a warning is an error
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features runtime/simulation -- --deny warnings

format: ## Format the code
	cargo fmt --all

ci: ready-test lint test ## Exactly what CI runs first; .ci/run adds the cluster where there is one

##@ Measure
.PHONY: bench bench-spike bench-cluster
bench: ready-build release ## One table of medians beside their budgets; also in target/bench/results.json
	target/release/bench

bench-spike: ready-build release ## 10 requests a second, then 10,000 for 20 s (FRESHET_SPIKE=seconds), then 10, in each mode
	ulimit -n "$$(ulimit -Hn)"; FRESHET_BENCH=spike target/release/bench

bench-cluster: ## The same for a cluster: starts from zero, latency, rates, in MODES or all; also in target/bench/cluster.json
	tests/cluster/run bench-cluster $(MODES)

##@ Help
.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
