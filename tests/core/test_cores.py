"""The cores that a process may use are its affinity's, less what a control group's quota takes."""

import math
import os

import pytest

from temper.core import cores
from tests.helpers.workspace import ROOT


@pytest.fixture
def quota_of(tmp_path):
    """Return the quota that fake /proc/self/cgroup and /sys/fs/cgroup files give."""

    def read(lines, files):
        (tmp_path / "proc").write_text(lines)
        for name, text in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(text)
        return cores.cpu_quota(tmp_path / "proc", tmp_path / "cgroup")

    return read


CPU = "cpu/box/cpu.cfs_"
VERSION_1 = "4:memory:/box\n3:cpu,cpuacct:/box\n0::/box\n"


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000\n"}, 2),
        (VERSION_1, {f"{CPU}quota_us": "30000", f"{CPU}period_us": "20000"}, 1.5),
        (VERSION_1, {f"{CPU}quota_us": "-1", f"{CPU}period_us": "1"}, math.inf),
        (VERSION_1, {}, math.inf),
        ("4:cpuset:/box\n", {f"{CPU}quota_us": "1"}, math.inf),
    ],
)
def test_the_smallest_quota_of_a_group_and_those_above_it_holds(quota_of, lines, files, expected):
    """Version 2 has one file, version 1 two; a container may see the host's path."""
    assert quota_of(lines, files) == expected


def test_no_control_groups_means_no_quota(tmp_path):
    """As on macOS."""
    assert cores.cpu_quota(tmp_path / "proc", tmp_path) == math.inf


def test_threads_without_a_core_are_said(monkeypatch):
    """More threads than the cores or the quota have one line; as many have none."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5, 7}, raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: math.inf)
    assert cores.excess_threads(4) is None
    assert "num_threads: 5 threads share 4 cores, and" in str(cores.excess_threads(5))
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.5)
    assert "2 threads share 1.5 cores' time, a CPU quota," in str(cores.excess_threads(2))
    monkeypatch.setattr(cores, "cpu_quota", lambda: 0.5)
    assert cores.excess_threads(1) is None


@pytest.mark.parametrize(("quota", "expected"), [(math.inf, 4), (2.5, 2), (0.5, 1)])
def test_usable_cores_are_those_of_the_container(monkeypatch, quota, expected):
    """A container's quota may be less than the machine has, and less than one core."""
    monkeypatch.setattr(cores, "num_cores", lambda: 4)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert cores.num_usable() == expected


def test_threads_are_counted_in_one_place():
    """A container's quota is not in the number of the machine's cores."""
    files = [*(ROOT / "temper").rglob("*.py"), *(ROOT / "stages").glob("*.py")]
    asking = [f.relative_to(ROOT).as_posix() for f in files if "cpu_count" in f.read_text()]
    assert asking == ["temper/core/cores.py"]
