"""The steps of a Dockerfile without Docker: a fresh environment, copied files, the command."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Steps = list[tuple[str, str]]


def read_steps(dockerfile: Path) -> Steps:
    """Return the instructions of a Dockerfile and what follows each."""
    lines = dockerfile.read_text().replace("\\\n", "").splitlines()
    return [tuple(line.split(" ", 1)) for line in lines]  # type: ignore[misc]


def make_environment(folder: Path, steps: Steps, requirements: Path) -> None:
    """Make an environment as a Dockerfile does, by the packages of pip's index.

    Skips the test where pip reaches no index.
    """
    (image,) = [argument for name, argument in steps if name == "FROM"]
    assert image == f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (install,) = [argument for name, argument in steps if argument.startswith("pip ")]
    pip = [str(folder / "bin/python"), "-m", *install.split()]
    options = {"cwd": requirements.parent, "capture_output": True, "text": True}
    wanted = next(iter(requirements.read_text().splitlines()))
    probe = [*pip[:3], "download", "--no-deps", "--dest", str(folder / "probe"), wanted]
    if subprocess.run(probe, **options).returncode:
        pytest.skip("pip reaches no index")
    done = subprocess.run(pip, **options)
    assert done.returncode == 0, done.stderr


def copy_files(context: Path, target: Path, steps: Steps) -> None:
    """Copy files into a working directory as the instructions COPY do."""
    for name, argument in steps:
        if name == "COPY" and argument == ". .":
            shutil.copytree(context, target, dirs_exist_ok=True)
        elif name == "COPY":
            source, _ = argument.split()
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / source, target)


@contextmanager
def running(environment: Path, workdir: Path, steps: Steps) -> Iterator[tuple[Any, str, float]]:
    """Run a Dockerfile's command on a free port of loopback.

    Yields:
        the process, the server's address, and the seconds until it answered.
    """
    command = json.loads(next(argument for name, argument in steps if name == "CMD"))
    assert command[0] == "python"
    pairs = [pair for name, text in steps if name == "ENV" for pair in text.split()]
    variables = dict(pair.split("=") for pair in pairs)
    variables |= {"HOST": "127.0.0.1", "PORT": "0", "PATH": f"{environment}/bin:{os.defpath}"}
    started = time.monotonic()
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command[0] = str(environment / "bin/python")
    with subprocess.Popen(command, cwd=workdir, env=variables, **pipes) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            found = re.match(r"(http://127\.0\.0\.1:\d+)/invocations$", line)
            assert found, f"{line}{child.communicate()}"
            with urllib.request.urlopen(f"{found[1]}/health", timeout=60) as answer:
                assert json.load(answer) == {"status": "ok"}
            yield child, found[1], time.monotonic() - started
        finally:
            child.kill()


def invoke(address: str, records: list[dict]) -> list[dict]:
    """Return a server's predictions of rows."""
    body = json.dumps({"dataframe_records": records}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/invocations", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def same(found: Any, expected: Any, tolerance: float) -> bool:
    """Say whether two values are equal, numbers with a fraction within a tolerance."""
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        return all(same(*pair, tolerance) for pair in zip(found, expected, strict=True))
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        return all(same(found[name], expected[name], tolerance) for name in expected)
    if isinstance(expected, float) and isinstance(found, float):
        return abs(found - expected) <= tolerance
    return found == expected


def size_mib(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20
