"""docs/new-task.md, followed to the letter in a copy of the repository, gives a working task."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.workspace import ROOT, environment

COPIED = ("stages", "temper", "tests", "launch", "recipes", "data/sample")


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/new-task.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_following_the_page_makes_a_task_that_passes_the_contract(tmp_path):
    """Its schema, file, data, recipe, line and row are copied as they are."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    schema, module, data, case = blocks("python")
    (task,), (row,) = blocks("yaml"), blocks("markdown")
    edit(tmp_path / "temper/params/task.py", "TaskParams = ", f"{schema}\n\nTaskParams = ")
    edit(
        tmp_path / "temper/params/task.py",
        "| Embeddings,",
        "| Embeddings | NextSentencePrediction,",
    )
    (tmp_path / "temper/tasks/next_sentence_prediction.py").write_text(module)
    run(tmp_path, "-c", data)
    tree = yaml.safe_load((ROOT / "recipes/sample-multiple_choice.yaml").read_text())
    folder = "data/sample/next_sentence_prediction"
    tree["data"]["files"] = {s: f"{folder}/{s}.jsonl" for s in ("train", "validation", "test")}
    target = tmp_path / "recipes/sample-next_sentence_prediction.yaml"
    target.write_text(yaml.safe_dump(tree | yaml.safe_load(task)))
    edit(tmp_path / "README.md", "| `causal_lm` |", f"{row}| `causal_lm` |")
    edit(tmp_path / "tests/tasks/test_contract.py", "CASES = {", f"CASES = {{\n{case}")
    done = run(
        tmp_path,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "tests/tasks/test_contract.py",
        "-k",
        "next_sentence or every_task",
    )
    assert re.search(r"12 passed", done.stdout), done.stdout[-3000:]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done
