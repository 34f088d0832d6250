# make repro · make test · make lint · make bench: each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# The stages' commands call python and accelerate: those of the environment come first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test lint bench

repro: $(READY)
	$(BIN)/temper check
	$(BIN)/dvc repro
	$(BIN)/temper summary

# PASSIVE: the threads of two trainings side by side do not spin for each other's cores.
test: $(READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist worksteal --durations 8

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: $(READY)
	$(BIN)/python benchmarks/memory.py --model data/export
	$(BIN)/python benchmarks/memory_data.py
	test -z "$(MRPC)" || $(BIN)/python benchmarks/mrpc.py --data $(MRPC) --model $(MODEL)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "installing into .venv; the first time takes some minutes"
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev]'
	touch $(READY)
