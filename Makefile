PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# The stages' commands call `python` and `accelerate`: put the environment's own first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup repro test test-fast lint bench families

# Create .venv with the pinned versions; every other target does this first.
setup: $(READY)

# Check the parameters, run the pipeline, show the results.
repro: setup
	$(BIN)/temper check
	$(BIN)/dvc repro
	$(BIN)/temper summary

# Run all tests. PASSIVE keeps the threads of two parallel trainings from spinning: many run in
# pytest's own processes, where no stage sets GOMP_SPINCOUNT.
test: setup
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist worksteal --durations 8

# Run the tests that start no processes and train for seconds at most.
test-fast: setup
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist worksteal -m "not slow"

# Check style, formatting and types.
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# Measure memory; with MRPC=path MODEL=path also quality beside the plain Trainer.
bench: setup
	$(BIN)/python benchmarks/memory.py --model data/export
	$(BIN)/python benchmarks/memory_data.py
	test -z "$(MRPC)" || $(BIN)/python benchmarks/mrpc.py --data $(MRPC) --model $(MODEL)

# Take tiny models of many families through every task and write docs/families.md: half an hour.
families: setup
	$(BIN)/python -m tests.helpers.families docs/families.md

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "installing into .venv; the first time takes a few minutes"
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev]'
	touch $(READY)
