"""A file that is replaced is the earlier one or the next one, and never written to."""

import errno
import os
from pathlib import Path

import pytest

from temper.core import artifacts
from temper.core.errors import InputError


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
    """One line names the file; nothing is left beside it."""

    def fill(self, text, **_):
        self.write_bytes(text[:3].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "params.yaml"
    artifacts.replace_text(target, "earlier\r\n")
    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(InputError, match=r"^cannot write .*params\.yaml: the disk is full"):
        artifacts.replace_text(target, "next")

    def write():
        with artifacts.atomic_file(target) as partial:
            fill(partial, "next")  # an error without the name of a file

    with pytest.raises(InputError, match=r"^cannot write .*params\.yaml: the disk is full"):
        write()
    assert target.read_bytes() == b"earlier\r\n"
    assert os.listdir(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_into_a_cache_is_replaced(tmp_path, link):
    """DVC links what it tracks where `cache.type` says so; other commits have the same bytes."""
    cached, target = tmp_path / "cached", tmp_path / "scores.csv"
    cached.write_text("earlier")
    link(cached, target)
    artifacts.replace_text(target, "next")
    assert (target.read_text(), cached.read_text()) == ("next", "earlier")


def test_a_pipe_is_written_to(tmp_path):
    """As /dev/stdout may be one, which nobody wants replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    artifacts.replace_text(pipe, "text")
    assert os.read(reader, 10) == b"text"
    assert pipe.is_fifo()
    os.close(reader)


def test_a_folder_that_takes_no_file_is_named_by_the_file(tmp_path, monkeypatch):
    """Not by that of the unfinished one, which nobody asked for."""

    def refuse(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(
        InputError, match=r"/page\.html: Permission denied \(its folder\)$"
    ) as caught:
        artifacts.replace_text(tmp_path / "page.html", "text")
    assert "partial" not in str(caught.value)
