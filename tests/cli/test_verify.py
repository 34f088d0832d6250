"""Stages are rebuilt in the order of the pipeline."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.add import add

from temper.cli import origin, verify
from temper.core.errors import InputError


def test_stages_are_rebuilt_in_the_order_of_the_pipeline():
    """The order in dvc.lock does not matter."""
    locked = {
        "train": {"deps": [{"path": "data/tokenized"}], "outs": [{"path": "data/model"}]},
        "tokenize": {"deps": [{"path": "data/raw"}], "outs": [{"path": "data/tokenized"}]},
        "download@dataset": {"deps": [], "outs": [{"path": "data/raw"}]},
    }
    assert verify.select([], locked, True) == ["download@dataset", "tokenize", "train"]
    assert verify.select([], locked, False) == ["tokenize", "train"]
    assert verify.select(["download"], locked, True) == ["download@dataset"]
    with pytest.raises(InputError, match=r"no stage tokenise .did you mean 'tokenize'"):
        verify.select(["tokenise"], locked, True)


def test_a_folder_is_found_by_its_bytes(tmp_path, monkeypatch, capsys):
    """The hash is DVC's; a folder that was changed since is of no commit."""
    monkeypatch.chdir(tmp_path)
    for name in ("README.md", "onnx/model.onnx", "onnx.json", "a b/é.txt"):
        file = Path("exported", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    with Repo.init(no_scm=True) as repo:
        (stage,) = add(repo, "exported")
        md5 = stage.outs[0].hash_info.value
    assert origin.folder_hash(Path("exported")) == md5

    def commit(text, message):
        Path("dvc.lock").write_text(text)
        for words in (["add", "dvc.lock"], ["commit", "-qm", message]):
            subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], check=True)

    subprocess.run(["git", "init", "-q"], check=True)
    commit("md5: 0\n", "before")
    commit(f"md5: {md5}\n", "the result")
    commit("md5: 1\n", "after")
    monkeypatch.setattr(origin.repo, "dvc_cache", lambda: Path("my cache"))
    origin.show(Path("exported"))
    out = capsys.readouterr().out
    assert out.splitlines()[0].endswith(": the result")
    assert "&& cd ../" in out
    assert "dvc cache dir --local 'my cache' && dvc checkout" in out
    with pytest.raises(InputError, match="--of: names a commit and rebuilds nothing; remove"):
        verify.verify(["evaluate"], of=Path("exported"))
    Path("exported/README.md").write_text("corrected")
    with pytest.raises(InputError, match=r"no commit's dvc\.lock has a folder of these bytes"):
        origin.commit_of(Path("exported"))
    with pytest.raises(InputError, match="no such folder"):
        origin.commit_of(Path("absent"))
