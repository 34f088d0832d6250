"""Custom functions are called on rows of train."""

from pathlib import Path
from typing import Any

from temper.check import custom_code_checks
from temper.check.findings import Findings


def test_rows_are_written_to_the_disk_of_the_repository(write_params, tmp_path, monkeypatch):
    """All of train may not fit into the system's temporary folder."""
    (tmp_path / "mine.py").write_text("def loss(logits, labels):\n    return logits.mean()\n")
    parameters = write_params(code={"mine": "mine.py"}, train__loss="mine.loss")
    folders = []
    monkeypatch.setattr(
        custom_code_checks, "encode_rows", lambda _, __, folder, ___: folders.append(folder)
    )
    config: Any = None
    custom_code_checks.check_on_rows(parameters, config, None, Findings())
    (folder,) = folders
    assert folder.parent == Path("data").resolve()
    assert not folder.exists()
