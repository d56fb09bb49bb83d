# Two first commands: `make demo` and `make test`. Each sets up all it needs.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help demo serve test lint bench
help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.venv/run: requirements.lock pyproject.toml
	PYTHON=$(PYTHON) ops/dev/venv requirements.lock && touch $@

.venv/dev: requirements-dev.lock pyproject.toml
	PYTHON=$(PYTHON) ops/dev/venv requirements-dev.lock && touch .venv/run $@

demo: .venv/run ## real-format messages from three partners all the way, and wrong ones refused
	$(BIN)/gateway demo

serve: .venv/run ## the demo's gateway, left running on loopback
	$(BIN)/gateway demo --serve

test: .venv/dev ## every test, the fast ones first
	ops/dev/tools
	$(BIN)/pytest --numprocesses 2 --ignore tests/integration
	$(BIN)/pytest --numprocesses 2 tests/integration

lint: .venv/dev ## ruff, mypy, import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/dev ## the path against the speed of light; rows in build/bench.json
	$(BIN)/python -m ops.bench
