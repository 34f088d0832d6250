"""A file that is replaced is the earlier one or the next one, and never written to."""

import errno
import os
import stat
from pathlib import Path

import pytest

from temper.core import artifacts, scratch
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT


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
    cached, target = tmp_path / "shared/files/md5/0a" / ("1b" * 15), tmp_path / "scores.csv"
    cached.parent.mkdir(parents=True)
    cached.write_text("earlier")
    cached.chmod(0o444)
    link(cached, target)
    named = tmp_path / "of my own"
    named.symlink_to(target.name)
    artifacts.replace_text(named, "next")
    assert (target.read_text(), cached.read_text()) == ("next", "earlier")
    assert named.is_symlink()
    assert not target.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_the_file_of_a_link_is_replaced(tmp_path):
    """As every program does that writes to it; another folder's too, and one that is not there."""
    folder, link = tmp_path / "results", tmp_path / "latest"
    (folder / "of").mkdir(parents=True)
    (tmp_path / "short").symlink_to("results/of")
    link.symlink_to("short/../scores.csv")  # results/scores.csv, not that beside the link
    for text in ("first", "next"):
        artifacts.replace_text(link, text)
        assert (folder / "scores.csv").read_text() == text
    assert link.is_symlink()
    assert sorted(os.listdir(folder)) == ["of", "scores.csv"]
    assert sorted(os.listdir(tmp_path)) == ["latest", "results", "short"]


def test_a_link_to_itself_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to("link")
    artifacts.replace_text(tmp_path / "link", "text")
    assert (tmp_path / "link").read_text() == "text"


def test_permissions_stay(tmp_path):
    """A file that nobody else may read does not become one for all."""
    target, other = tmp_path / "scores.csv", tmp_path / "other.csv"
    target.write_text("earlier")
    target.chmod(0o600)
    artifacts.replace_text(target, "next")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    artifacts.replace_text(other, "text")
    (tmp_path / "plain").touch()
    assert other.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_names_may_be_long_and_two_may_write_at_once(tmp_path):
    """The last one is found, whole."""
    target = tmp_path / ("a" * 251 + ".csv")
    with artifacts.atomic_file(target) as first, artifacts.atomic_file(target) as second:
        second.write_text("second")
        first.write_text("first")
    assert target.read_text() == "first"
    assert os.listdir(tmp_path) == [target.name]


def test_what_a_process_has_open_is_written_to(tmp_path):
    """As /dev/stdout is, where it goes to a file."""
    opened, link = tmp_path / "out.txt", tmp_path / "stdout"
    with opened.open("w+") as file:
        link.symlink_to(f"/proc/self/fd/{file.fileno()}")
        artifacts.replace_text(link, "text")
        assert file.read() == "text"
    assert link.is_symlink()


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


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    """A half of a large file is not kept for ever, nor committed."""
    left = tmp_path / f"{artifacts.PARTIAL}{scratch.HOST}-dead"
    left.mkdir()
    (left / ".lock").touch()
    (left / "scores.csv").write_text("half")
    artifacts.replace_text(tmp_path / "other.csv", "text")
    assert os.listdir(tmp_path) == ["other.csv"]
    assert f"{artifacts.PARTIAL}*/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe{", b"[" * 100_000])
def test_a_damaged_json_file_is_named(tmp_path, content):
    """Such as one that was edited by hand, or cut."""
    (tmp_path / "scores.json").write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.json is damaged, no JSON \("):
        artifacts.read_json(tmp_path / "scores.json")
