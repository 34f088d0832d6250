"""Seconds of a training step by how long libgomp's threads spin: idle, busy, under a CPU quota.

`python benchmarks/busy_machine.py [--only idle busy quota] [--settings PASSIVE 500 ...]`

Each setting has a process with two threads; they take turns. "busy" has two endless loops beside
them. The quota is a cgroup of 1.5 cores, which root may make.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import psutil

from temper.core.determinism import PORTABLE_VARIABLES, THREAD_VARIABLES

CONDITIONS = ("idle", "busy", "quota")
SETTINGS = ("default", "PASSIVE", "1000", "3000", "10000", "30000", "100000")
NETWORKS = {"MiniLM": (384, 6, 30_522), "tiny": (64, 2, 1000)}  # hidden size, layers, words
MAX_OTHERS = 0.15  # a reading is dropped if other processes took more of a core
Worker = subprocess.Popen[str]


def training_step(hidden: int, layers: int, words: int) -> Callable[[], None]:
    """Make forward, backward and AdamW over a batch of 8 × 64 tokens, with random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes: dict[str, Any] = {"hidden_size": hidden, "intermediate_size": 4 * hidden}
    sizes |= {"num_hidden_layers": layers, "num_attention_heads": hidden // 32}
    sizes["vocab_size"] = words
    network = BertForSequenceClassification(BertConfig(**sizes)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    batch = {"input_ids": torch.randint(words, (8, 64)), "labels": torch.randint(2, (8,))}

    def step() -> None:
        network(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def serve() -> None:
    """Answer each line `network seconds` with a step's wall and CPU seconds, and others' CPUs."""
    steps = {name: training_step(*sizes) for name, sizes in NETWORKS.items()}
    print("ready", flush=True)
    for line in sys.stdin:
        name, seconds = line.split()
        start, count = clocks(), 0
        while not count or time.monotonic() - start[0] < float(seconds):
            steps[name]()
            count += 1
        wall_s, cpu_s, all_s = (now - then for now, then in zip(clocks(), start, strict=True))
        print(wall_s / count, cpu_s / count, (all_s - cpu_s) / wall_s, flush=True)


def clocks() -> tuple[float, float, float]:
    """Return the wall seconds, this process's CPU seconds and those of all processes."""
    times = psutil.cpu_times()
    return time.monotonic(), time.process_time(), times.user + times.nice + times.system


def ask(worker: Worker, network: str, seconds: float) -> list[float]:
    assert worker.stdin
    assert worker.stdout
    print(network, seconds, file=worker.stdin, flush=True)
    return [float(value) for value in worker.stdout.readline().split()]


@contextlib.contextmanager
def condition(name: str, workers: list[Worker]) -> Iterator[None]:
    """Keep two cores busy, or limit the workers to 1.5 cores."""
    with contextlib.ExitStack() as stack:
        for _ in range(2 if name == "busy" else 0):
            loop = subprocess.Popen([sys.executable, "-c", "while 1: pass"])
            stack.callback(loop.kill)
        if name == "quota":
            parent = Path("/sys/fs/cgroup/cpu")  # version 1, else 2
            file, quota = "cpu.cfs_quota_us", "150000"
            if not parent.exists():
                parent, file, quota = parent.parent, "cpu.max", "150000 100000"
            group = parent / f"busy-machine-{os.getpid()}"
            group.mkdir()
            stack.callback(group.rmdir)
            (group / file).write_text(quota)
            for worker in workers:
                (group / "cgroup.procs").write_text(str(worker.pid))
                stack.callback((parent / "cgroup.procs").write_text, str(worker.pid))
        yield


def start(setting: str) -> Worker:
    env = {name: os.environ[name] for name in os.environ if not name.startswith(("OMP_", "GOMP_"))}
    env |= dict.fromkeys(THREAD_VARIABLES, "2") | PORTABLE_VARIABLES
    env |= {"GOMP_SPINCOUNT": setting} if setting.isdigit() else {}
    env |= {"OMP_WAIT_POLICY": setting} if setting == "PASSIVE" else {}
    pipe, command = subprocess.PIPE, [sys.executable, __file__, "--serve"]
    return Worker(command, env=env, stdin=pipe, stdout=pipe, text=True)


def main(conditions: list[str], settings: list[str], rounds: int, seconds: float) -> None:
    times: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(start(name)) for name in settings}
        for worker in workers.values():
            stack.callback(worker.kill)
            assert worker.stdout
            worker.stdout.readline()  # "ready"
        for worker, network in product(workers.values(), NETWORKS):
            ask(worker, network, 0)  # the first step is slower
        for current in conditions:
            with condition(current, list(workers.values())):
                for _, network, name in product(range(rounds), NETWORKS, workers):
                    found = ask(workers[name], network, seconds)
                    print(current, network, name, *found, file=sys.stderr)
                    if current == "busy" or found[2] < MAX_OTHERS:
                        times[current, network, name].append(found)
    for (current, network, name), found in times.items():
        wall_s, cpu_s, _ = map(statistics.median, zip(*found, strict=True))
        print(f"{current:6}{network:8}{name:>10}{1e3 * wall_s:9.1f} ms{1e3 * cpu_s:9.1f} CPU ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, default=CONDITIONS)
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    p = parser.parse_args()
    serve() if p.serve else main(p.only, p.settings, p.rounds, p.seconds)
