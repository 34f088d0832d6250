"""A command that uses an exported model says where the folder is not the one of dvc.lock."""

import json
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.reproduce import reproduce

from temper.cli import lock_note

PIPELINE = """stages:
  read:
    cmd: "true"
    deps: [data/export]
  export:
    cmd: mkdir -p data/export/onnx; cp card data/export/README.md; cp big data/export/onnx/
    deps: [card]
    outs: [data/export]
"""


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A repository with an exported folder in dvc.lock and in DVC's cache, which is elsewhere."""
    root = tmp_path / "clone"
    root.mkdir()
    monkeypatch.chdir(root)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("card").write_text("accuracy: 0.5\n")
    Path("big").write_bytes(bytes(lock_note.MAX_SIZE + 1))
    Path("data").mkdir()
    Repo.init(no_scm=True).close()
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path / 'shared 100%'}\n")
    with Repo() as repo:
        reproduce(repo)
    return Path("data/export")


def test_the_folder_of_dvc_lock_is_not_mentioned(exported, capsys):
    lock_note.print_if_other(exported)
    lock_note.print_if_other(exported.resolve())
    assert "is not the one" not in capsys.readouterr().err


def test_another_folder_is_named_with_a_file_that_differs(exported, capsys):
    """As after `git checkout` without `dvc checkout`, or an edit, which `dvc checkout` discards."""
    (exported / "README.md").unlink()  # a link into the cache may be no copy
    (exported / "README.md").write_text("accuracy: 0.9\n")
    lock_note.print_if_other(exported)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "data/export is not the one of dvc.lock (README.md differs), as after a git checkout "
        "alone (dvc checkout brings that one), or an edit"
    )
    (exported / "README.md").unlink()
    assert lock_note.other_file(exported) == "README.md"


@pytest.mark.usefixtures("exported")
def test_nothing_is_said_of_what_cannot_be_told(tmp_path):
    """Folders outside, those that DVC does not know, and a cache without the list."""
    Path("elsewhere").mkdir()
    for folder in (Path("elsewhere"), tmp_path, Path("nowhere"), Path("card")):
        assert lock_note.other_file(folder) is None
    Path("data/export/README.md").unlink()
    (listing,) = (tmp_path / "shared 100%").rglob("*.dir")
    listing.chmod(0o644)
    for content in (json.dumps([{"relpath": "README.md", "md5": "1"}]), "no JSON"):
        listing.write_text(content)
        is_told = lock_note.other_file(Path("data/export")) is not None
        assert is_told == content.startswith("[")
    listing.unlink()
    assert lock_note.other_file(Path("data/export")) is None
    Path("dvc.lock").unlink()
    assert lock_note.other_file(Path("data/export")) is None
