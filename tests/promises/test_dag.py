"""dvc.yaml depends on the code that its stages run: an edit re-runs what it can change."""

import logging
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers.imports import (
    PIPELINE,
    ROOT,
    body,
    closure,
    code_deps,
    covers,
    imported,
    is_docstring_only,
    module_of,
)

STARTERS = [ROOT / "temper/training/launcher.py", ROOT / "temper/core/run.py"]
HASHES = ("data_files", "model_files")
FETCHES = ("download",)
ALL = (*HASHES, *FETCHES, "tokenize", "train", "evaluate", "export")
EDITS = {  # file → the stages of the embedded pipeline that run again
    "temper/core/errors.py": ALL,
    "temper/params/schema.py": ALL[2:],
    "temper/models/heads.py": ALL[2:],
    "temper/tasks/base/arrays.py": ALL[2:],
    "temper/tasks/sequence_classification.py": ALL[2:],
    "temper/tasks/causal_lm.py": (),
    "temper/ingest/local_files.py": FETCHES,
    "temper/augmentation/words.py": ("tokenize",),
    "temper/training/losses.py": ("train",),
    "temper/engines/trainer.py": ("train",),
    "temper/engines/loop.py": (),
    "temper/metrics/classification.py": ("train", "evaluate", "export"),
    "temper/evaluation/report.html.j2": ("evaluate",),
    "temper/prediction/predictor.py": ("evaluate", "export"),
    "temper/export/onnx.py": ("export",),
    "temper/tracking/store.py": ("train", "evaluate", "export"),
    "temper/sweep/space.py": (),
    "temper/compare/page.py": (),
    "temper/check/findings.py": (),
    "temper/cli/main.py": (),
    "temper/repo.py": (),
}


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_lists_all_the_code_it_imports(stage):
    """Each module that a stage can reach lies under one of its deps, or has a docstring alone."""
    needed = closure(ROOT / f"stages/{module_of(stage)}.py")
    deps = code_deps(stage)
    missing = {path for path in needed if not any(covers(dep, path) for dep in deps)}
    assert {path for path in missing if not is_docstring_only(path)} == set()


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_lists_no_code_it_does_not_import(stage):
    """Something under every dep is imported."""
    needed = closure(ROOT / f"stages/{module_of(stage)}.py")
    for dep in code_deps(stage):
        assert any(covers(dep, path) for path in needed), dep


def test_no_module_of_a_listed_folder_is_out_of_reach():
    """A stage imports each of them; otherwise its edits would re-run stages for nothing."""
    listed = {dep for stage in PIPELINE for dep in code_deps(stage) if (ROOT / dep).is_dir()}
    choices = [*(ROOT / "temper/tasks").glob("*.py"), *(ROOT / "temper/engines").glob("*.py")]
    roots = [*(ROOT / "stages").glob("*.py"), *choices, *STARTERS]
    reached = set().union(*map(closure, roots))
    files = {p.relative_to(ROOT).as_posix() for dep in listed for p in (ROOT / dep).rglob("*.py")}
    assert {path for path in files - reached if not is_docstring_only(path)} == set()


@pytest.mark.parametrize("stage", PIPELINE)
def test_cmd_uses_modules_and_declared_paths(stage):
    """Every cmd runs a module of stages/, and each path in it is a dep or an out."""
    words = body(stage)["cmd"].split()
    assert words[:3] == ["exec", "python", "-m"]  # DVC is the parent, and the stage ends with it
    assert (ROOT / f"stages/{module_of(stage)}.py").exists()
    modules = [after for word, after in pairwise(words) if word == "-m"]
    launcher = {"train": ["temper.training.launcher"]}.get(stage, ["temper.core.run"])
    launcher = [] if module_of(stage) == "hash_inputs" else launcher
    assert modules == [*launcher, f"stages.{module_of(stage)}"]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in body(stage)["outs"]]
    declared = {*body(stage)["deps"], *outs, *(out.removesuffix("/${key}") for out in outs)}
    declared |= {out.removesuffix("/${key}.json") for out in outs}
    declared |= {dep.removesuffix("/${key}") for dep in body(stage)["deps"]}
    for word in words:
        if "/" in word or word.startswith("${item"):
            assert word in declared, word


@pytest.mark.parametrize("stage", PIPELINE)
def test_no_value_of_params_reaches_a_shell(stage):
    """The stages read it from params.yaml themselves."""
    written_in_dvc_yaml = {"key", "item.out"} if stage == "download" else set()
    assert set(re.findall(r"\$\{([^}]+)", body(stage)["cmd"])) == written_in_dvc_yaml


@pytest.mark.parametrize("stage", PIPELINE)
def test_dvc_deletes_no_out_that_is_called_after_a_key_of_params(stage):
    """The stage has to refuse `../../folder` first."""
    if "${" in str(PIPELINE[stage].get("foreach")):
        assert all(options["persist"] for out in body(stage)["outs"] for options in out.values())


def test_no_stage_imports_another():
    """Not through a module of temper/ either; what two stages share lies there."""
    stages = {f"stages/{file.name}" for file in (ROOT / "stages").glob("[a-z]*.py")}
    for stage in stages:
        assert closure(ROOT / stage) & stages == {stage}


def test_the_dag_stays_short():
    """Folders are listed, not files: dvc.yaml and its lock are read by people."""
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 340
    assert len((ROOT / "dvc.lock").read_text().splitlines()) <= 950
    assert len(body("train")["deps"]) <= 16
    assert len(list((ROOT / "stages").glob("*.py"))) == 8


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """Return a DVC repository with this project's code, whose stages count as run."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("committed") / "temper"
    folder.mkdir()
    for name in ("stages", "temper", "launch", "data/sample"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("files/code", "files/tokenize", "translators", "zero_shot", "teacher_logits"):
        (folder / "data" / name).mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            logging.root.manager, "disable", logging.CRITICAL
        )  # DVC keeps a closed stream
        repo = Repo.init(no_scm=True)
        for stage in repo.index.stages:
            for out in stage.outs:
                path = Path(out.fs_path)
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix:
                    path.write_text("made\n")
                else:
                    path.mkdir(exist_ok=True)
                    (path / "file").write_text("made\n")
        (folder / "data/raw/summary.json").write_text("{}\n")
        (folder / "data/base/processor").mkdir()
        (folder / "data/base/processor/file").write_text("made\n")
        repo.commit(force=True)
        assert repo.status() == {}
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", EDITS)
def test_an_edit_reruns_what_it_can_change(committed, monkeypatch, path):
    """DVC itself says which stages an edited file makes stale."""
    from dvc.repo import Repo

    monkeypatch.chdir(committed)
    file = committed / path
    before = file.read_bytes()
    file.write_bytes(before + b"\n# edited\n")
    try:
        stale = {name.partition("@")[0] for name in Repo().status()}
    finally:
        file.write_bytes(before)
    assert stale == set(EDITS[path])


def test_an_import_inside_a_function_is_found(tmp_path):
    """The closure sees an import wherever it stands, of a module or of one of its names."""
    file = tmp_path / "stage.py"
    file.write_text("def main():\n    from temper.evaluation import bootstrap\n")
    assert imported(file) == {ROOT / "temper/evaluation/bootstrap.py"}
    assert "temper/evaluation/__init__.py" in closure(ROOT / "stages/evaluate.py")
