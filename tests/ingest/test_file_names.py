"""Cells that name WAV files are read where DVC watches these, whatever links its cache makes."""

from pathlib import Path

import pytest

from temper.ingest import file_names

DATA = b"RIFF and so on"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose file is a link into a cache, as with DVC's `cache.type symlink`."""
    monkeypatch.chdir(tmp_path)
    for name in ("cache", "clips"):
        Path(name).mkdir()
    Path("cache/ab12").write_bytes(DATA)
    Path("clips/a.wav").symlink_to(Path("cache/ab12").absolute())
    return Path("clips")


def test_a_link_into_a_cache_is_read(folder):
    """DVC watches the link, and what it leads to."""
    assert file_names.FileName.of("a.wav", folder, folder).read() == DATA
    assert file_names.FileName.of("b/../a.wav", folder, folder.absolute()).read() == DATA


@pytest.mark.parametrize("name", ["../cache/ab12", "/etc/hostname", "a/../../cache/ab12"])
def test_a_name_of_a_file_elsewhere_is_refused(folder, name):
    """DVC would not see that it changes."""
    with pytest.raises(ValueError, match="a file outside of clips, which DVC watches; move it"):
        file_names.FileName.of(name, folder, folder).read()


def test_a_file_too_large_is_refused(folder, monkeypatch):
    """By the limit of files that a folder holds."""
    monkeypatch.setattr(file_names, "MAX_BYTES", len(DATA) - 1)
    with pytest.raises(ValueError, match=r"^clips/a.wav: more than 13 bytes; cut it$"):
        file_names.FileName.of("a.wav", folder, folder).read()
