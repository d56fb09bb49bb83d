# Two first commands: `make demo` and `make test`. Each sets up all it needs.
PYTHON ?= python3.11
BIN := .venv/bin
# Sets come in the same order each time, so that the searches for counterexamples try the same examples.
TESTS := PYTHONHASHSEED=0 $(BIN)/pytest --numprocesses
QUICK := --ignore tests/integration
FAST := $(TESTS) 2 -m "not services" $(QUICK)
# What needs servers mostly waits for them. It is in tests/contracts, or in tests/integration, where a file shares its scene
# and stays with one process; which goes first is said there.
REAL := $(TESTS) 8
# Hundreds of processes start in the tests, and each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo serve test test-embedded lint bench bench-outage bench-log soak contracts
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.venv/run: requirements.lock pyproject.toml
	PYTHON=$(PYTHON) ops/dev/venv requirements.lock && touch $@

.venv/dev: requirements-dev.lock pyproject.toml
	PYTHON=$(PYTHON) ops/dev/venv requirements-dev.lock && touch .venv/run $@

demo: .venv/run ## real-format messages from three partners all the way, and wrong ones refused
	$(BIN)/gateway demo

serve: .venv/run ## the demo's gateway, left running on loopback
	$(BIN)/gateway demo --serve

test: .venv/dev ## every test, the fast ones first; RabbitMQ and PostgreSQL are started for it
	ops/dev/tools
	ops/dev/services run --quick sh -ec '$(FAST); $(REAL) -m services tests/contracts; $(REAL) --dist loadfile --no-loadscope-reorder tests/integration'

test-embedded: .venv/dev ## the quick half: without servers; says which tests it did not run
	ops/dev/tools
	$(FAST)
	@echo 'Not run, by file: make test runs them.'
	@$(BIN)/pytest -qq --collect-only -m services tests/contracts && $(BIN)/pytest -qq --collect-only tests/integration

lint: .venv/dev ## ruff, mypy, import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/dev ## the path against the speed of light; rows in build/bench.json
	$(BIN)/python -m ops.bench

bench-outage: .venv/dev ## an hour's backlog after an outage of the broker, and what new events wait; some half an hour
	$(BIN)/python -m ops.bench.outage

bench-log: .venv/dev ## a log of ten million leaves: appending, proofs, export, both verifiers; some twenty minutes, 6 GB
	$(BIN)/python -m ops.bench.log

contracts: .venv/dev ## the event schemas and the AsyncAPI document, made anew
	ops/dev/contracts

MESSAGES ?= 2000
SEED ?= $(shell od -An -N3 -tu4 /dev/urandom | tr -d ' ')
STORE ?= postgresql
BROKER ?= rabbitmq
COMMANDS ?= $(shell expr $(MESSAGES) / 20)
soak: .venv/dev ## everything killed, paused, cut and filled at random; then every receipted message counted
	$(BIN)/python -m ops.soak --messages $(MESSAGES) --commands $(COMMANDS) --seed $(SEED) --store $(STORE) --broker $(BROKER)
