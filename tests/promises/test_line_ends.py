"""Git converts no line end, which would change what DVC hashes: code, parameters, data."""

import shutil

import pytest

from tests.helpers.repository import USER, run
from tests.helpers.workspace import ROOT


@pytest.mark.parametrize("setting", ["true", "input"])
def test_a_checkout_has_the_bytes_that_were_committed(tmp_path, setting):
    """Whatever `core.autocrlf` says, as Git for Windows sets it."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    contents = {"params.yaml": b"seed: 1\nb: 2\n", "train.csv": b"text,label\r\na,b\r\n"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for command in ("git init -q", *USER, f"git config core.autocrlf {setting}", "git add ."):
        run(tmp_path, command)
    run(tmp_path, "git commit -qm files")
    for name in contents:
        (tmp_path / name).unlink()
    run(tmp_path, "git checkout -q -- .")
    assert {name: (tmp_path / name).read_bytes() for name in contents} == contents
