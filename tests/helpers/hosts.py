"""Two hosts on one machine: network namespaces with an address each, joined by a cable."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.repository import variables


@dataclass(frozen=True)
class Hosts:
    """The names of two namespaces, and the address of the first."""

    names: tuple[str, str]
    address: str

    def start(self, host: int, folder: Path, command: str) -> subprocess.Popen[str]:
        """Start a command on a host; its output is one text."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[host], *command.split()],
            cwd=folder,
            env=variables(folder),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill(self, host: int) -> None:
        """Kill everything that runs on a host."""
        listed = ip("netns", "pids", self.names[host])
        for pid in listed.stdout.split():
            os.kill(int(pid), signal.SIGKILL)


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make two hosts; skip the test where that takes rights or tools that are not there."""
    one, other = (f"temper{os.getpid()}{end}" for end in "ab")
    try:
        ip("netns", "add", one)
        ip("netns", "add", other)
        ip(*f"link add {one} netns {one} type veth peer name {other} netns {other}".split())
        for number, name in enumerate((one, other), 1):
            ip(*f"-n {name} link set lo up".split())
            ip(*f"-n {name} addr add 10.231.7.{number}/30 dev {name}".split())
            ip(*f"-n {name} link set {name} up".split())
        yield Hosts((one, other), "10.231.7.1")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', '') or error}")
    finally:
        for name in (one, other):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
