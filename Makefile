# make repro · make test · make lint · make bench: each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test lint bench

repro: $(READY)
	temper check
	dvc repro
	temper summary

test: $(READY)
	pytest

lint: $(READY)
	ruff check .
	ruff format --check .
	basedpyright

bench: $(READY)
	python benchmarks/mrpc.py --help

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)
