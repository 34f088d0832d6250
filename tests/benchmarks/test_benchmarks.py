"""Benchmarks: they run. What they measure is read by people, and never tested."""

import subprocess
import sys
from multiprocessing.pool import ThreadPool

import pytest

from tests.helpers.workspace import ROOT


@pytest.mark.slow
def test_measures_the_memory_of_data():
    """The script runs: the code it starts is a string that no linter reads."""
    command = [sys.executable, "benchmarks/memory_data.py", "--rows", "200", "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split(" rows: ")[0] for line in lines] == [
        f"download, {name}, {rows}"
        for name in ("plain", "filter, fold and subset")
        for rows in (200, 400)
    ]


@pytest.mark.slow
def test_every_benchmark_starts():
    """Each one imports what it needs and prints its help; two at a time, for they take memory."""
    files = sorted(path for path in (ROOT / "benchmarks").glob("*.py"))
    assert len(files) > 5

    def ask(path):
        command = [sys.executable, path, "--help"]
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode

    with ThreadPool(2) as pool:
        assert pool.map(ask, files) == [0] * len(files)
