"""Benchmarks: they run. What they measure is read by people, and never tested."""

import subprocess
import sys

import pytest

from tests.helpers.workspace import ROOT


@pytest.mark.slow
def test_the_memory_of_data_is_measured():
    """Its code is a text that no linter reads."""
    command = [sys.executable, "benchmarks/memory_data.py", "--rows", "200", "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split(" rows: ")[0] for line in lines] == [
        f"download, {name}, {rows}"
        for name in ("plain", "filter, fold and subset")
        for rows in (200, 400)
    ]


@pytest.mark.slow
def test_every_benchmark_can_be_started():
    """Its own imports are there; not those of code it starts in processes of its own."""
    files = sorted(path for path in (ROOT / "benchmarks").glob("*.py"))
    assert len(files) > 5
    started = [
        subprocess.Popen([sys.executable, path, "--help"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for path in files
    ]
    assert [process.wait() for process in started] == [0] * len(files)
