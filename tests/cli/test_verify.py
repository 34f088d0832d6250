"""Stages are rebuilt in the order of the pipeline."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from dvc.repo.add import add

from temper import repo
from temper.cli import origin, verify, verify_causes
from temper.compare import experiments
from temper.core.errors import InputError
from tests.helpers.repository import USER, make_result, run


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


def test_a_stage_that_the_pipeline_lost_is_left_out(tmp_path, monkeypatch, capsys):
    """DVC leaves it in dvc.lock, as where data come from the Hub that were files before."""
    monkeypatch.chdir(tmp_path)
    stages = {
        "data_files": {"foreach": "${files}", "do": {"cmd": "true", "params": ["files"]}},
        "train": {"cmd": "true", "outs": ["model"]},
        "export": {"cmd": "true", "outs": ["export"]},
    }
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    Path("params.yaml").write_text("files: {test: test.csv}\n")
    names = ("data_files@train", "data_files@test", "train")
    lock = {"schema": "2.0", "stages": {name: {"cmd": "true"} for name in names}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    Repo.init(no_scm=True).close()
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "result"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], check=True)
    assert list(verify.read_committed()) == ["data_files@test", "train"]
    err = capsys.readouterr().err
    assert "not verified, as no longer in dvc.yaml: data_files@train\n" in err
    assert "not verified, as not in dvc.lock: export\n" in err


def test_names_a_branch_that_moved_on_the_hub(tmp_path):
    """Its commit is in the summary.json of both caches; a model at the same commit is no cause."""
    committed, rebuilt = {}, {}
    caches = (tmp_path / "old", tmp_path / "new")
    for stages, cache, commits in ((committed, caches[0], "ab"), (rebuilt, caches[1], "cb")):
        for name, commit in zip(("dataset", "model"), commits, strict=True):
            md5 = f"{name}{commit}"
            write(cache, md5, {"name": f"me/{name}", "commit": commit})
            write(cache, f"{md5}.dir", [{"relpath": "summary.json", "md5": md5}])
            outs = [{"path": "data/raw", "md5": f"{md5}.dir"}]
            stages[f"download@{name}"] = {"deps": [], "outs": outs}
    causes = verify_causes.moved_revisions(committed, rebuilt, list(committed), caches)
    assert causes == [
        "me/dataset on the Hub: commit a then, c now; set data.hub.revision to the first"
    ]


def write(cache: Path, md5: str, value: object) -> None:
    path = repo.cache_path(cache, md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_a_path_may_have_letters_that_are_not_ascii(tmp_path, monkeypatch):
    """DVC cannot write such a path into its configuration, and a clone has the root's cache."""
    root = tmp_path / "jörg"
    root.mkdir()
    monkeypatch.chdir(root)
    cache = make_result(root)
    committed = repo.locked_stages() | {"export": {"deps": [{"path": "model", "md5": "1"}]}}
    clone = tmp_path / "scratch" / "clone"
    verify.make_clone(clone, committed, ["export"], cache)
    assert (clone / "model").read_text() == "1\n"


def test_a_repository_below_that_of_git_is_refused(tmp_path, monkeypatch):
    """Of `dvc init --subdir`: in a commit, DVC would look for it at the top alone."""
    monkeypatch.chdir(tmp_path)
    below = tmp_path / "below"
    (below / ".dvc").mkdir(parents=True)
    (below / "dvc.lock").write_text("stages: {}\n")
    for command in ("git init -q", *USER, "git add .", "git commit -qm first"):
        run(tmp_path, command)
    monkeypatch.chdir(below)
    for refused in (verify.read_committed, lambda: experiments.open_experiment("HEAD", "HEAD")):
        with pytest.raises(InputError, match="DVC does not find its repository below/ in a commit"):
            refused()
