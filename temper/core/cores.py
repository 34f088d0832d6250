"""The CPU cores that this process may use, by its affinity and the quotas of its control groups."""

import contextlib
import math
import os
from pathlib import Path

PROC, CGROUP = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def excess_threads(num_threads: int) -> str | None:
    """Return a line about more threads than cores or their time; None where there are enough."""
    available, limit = float(num_cores()), "cores"
    if (quota := cpu_quota()) < available:
        available, limit = quota, "cores' time, a CPU quota"
    if num_threads <= max(1, available):
        return None
    return (
        f"determinism.num_threads: {num_threads} threads share {available:.3g} {limit}, and wait "
        "for each other; the bytes stay the same, with fewer threads they would differ"
    )


def num_usable() -> int:
    """Return how many threads get a core's time each, at least 1."""
    return max(1, int(min(num_cores(), cpu_quota())))


def num_cores() -> int:
    """Return the number of cores that the process may run on (`taskset`, a cpuset)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(proc: Path = PROC, cgroup: Path = CGROUP) -> float:
    """Return the cores' worth of time that control groups (version 1 or 2) allow, maybe infinite.

    Args:
        proc: the file that names the process's groups.
        cgroup: where the hierarchies of groups are mounted.
    """
    quotas = [math.inf]
    with contextlib.suppress(OSError):
        for line in proc.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            group = cgroup / ("cpu" if controllers else "") / path.lstrip("/")
            # a container may read the host's path and yet have its own group at the root
            quotas += [_quota(folder) for folder in (group, *group.parents)]
    return min(quotas)


def _quota(group: Path) -> float:
    """Return a group's own quota in cores; infinite where there is none."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: "max"
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        if int(quota) > 0:  # version 1 has -1 for none
            return int(quota) / int(period)
    return math.inf
