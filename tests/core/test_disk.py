"""A disk without room is one sentence, whichever library notices it."""

import errno
import os
import resource
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.numpy import save_file

from temper.core import artifacts, disk
from temper.core.errors import InputError
from temper.ingest import hub
from temper.sweep import storage

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file")  # torch's, of a name like ü
DATA = np.random.default_rng(0).integers(0, 256, 2**20, dtype=np.uint8)


def write_arrow(path):
    with pa.OSFile(str(path), "wb") as file:
        file.write(DATA.tobytes())


WRITERS = {
    "python": lambda path: path.write_bytes(DATA.tobytes()),
    "arrow": write_arrow,
    "safetensors": lambda path: save_file({"a": DATA}, path),
    "torch": lambda path: torch.save(torch.from_numpy(DATA), path),
}


@pytest.fixture
def small_disk(tmp_path):
    """Return a disk of 300 kB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mount needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def file_limit():
    """Let this process write no file above 100 kB, as `ulimit -f` does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_names_the_output_and_leaves_the_old_one(small_disk, name):
    """The half that was written is deleted, so that there is room again."""
    target = small_disk / "model"
    target.mkdir()
    (target / "old").touch()
    with (
        pytest.raises(InputError, match=r"cannot write .*model.*: the disk is full \(0 MiB are"),
        artifacts.atomic_dir(target) as folder,
    ):
        WRITERS[name](folder / "weights")
    assert [path.name for path in small_disk.rglob("*")] == ["model", "old"]


@pytest.mark.parametrize("name", WRITERS)
def test_file_size_limit_is_not_called_a_full_disk(tmp_path, file_limit, name):
    """Freeing space would not help."""
    with (
        pytest.raises(InputError, match=r"no file may be larger than 0.1 MiB here \(ulimit -f\)"),
        artifacts.atomic_dir(tmp_path / "model") as folder,
    ):
        WRITERS[name](folder / "weights")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EDQUOT, ""), "x: your disk quota is used up; free some space"),
        (OSError(errno.EFBIG, ""), "x: its file system takes no file of that size; use another"),
        (OSError(errno.ENOSPC, "", "source", None, "copy"), "cannot write copy: the disk is full"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "the disk is full"),
        (OSError(errno.EIO, ""), None),
        (ValueError("28"), None),
    ],
)
def test_each_cause_has_its_remedy(error, says):
    """What is not a matter of room is left alone."""
    message = disk.explain(error, Path("x"))
    assert message is None if says is None else says in message


def test_full_cache_of_the_hub_is_no_broken_connection(tmp_path, monkeypatch):
    """The cache may be on another disk than the repository."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(InputError, match=f"cannot write {tmp_path}: the disk is full"),
        hub.explain_hub_errors("model x", None),
    ):
        raise full


def test_full_disk_of_a_sweep_is_no_wrong_address(small_disk):
    """SQLite has words of its own."""
    (small_disk / "full").write_bytes(bytes(270_000))
    url = storage.local_url(small_disk)
    with pytest.raises(InputError, match=r"cannot write .*trials.db: the disk is full \(0 MiB"):
        storage.open_storage(url)


def test_cause_of_another_error_counts():
    """Libraries raise errors of their own while they handle the system's."""
    error = RuntimeError("cannot generate")
    error.__context__ = OSError(errno.ENOSPC, "")
    message = disk.explain(error, Path("x"), 3 * 2**20)
    assert message is not None
    assert "which needs 3 MiB: the disk is full" in message
