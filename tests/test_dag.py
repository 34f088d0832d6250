"""dvc.yaml says the truth about code, paths and parameters."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from stages import metrics, params

ROOT = Path(__file__).parent.parent
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MODULES = {"data_files": "files", "model_files": "files"}
TASK = "stages/tasks/${task.name}.py"


def body(name: str) -> dict:
    return PIPELINE[name].get("do", PIPELINE[name])


def imported(source: Path) -> set[Path]:
    """Return the files of `stages` that a file names in an import, wherever it stands."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "stages":
                base = ROOT.joinpath(*name.split("."))
                found |= {p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()}
    return found


def closure(module: str) -> set[str]:
    """Return what a stage's code consists of: modules, their packages, templates, the task."""
    waiting, found = [ROOT / "stages" / f"{module}.py"], set()
    while waiting:
        source = waiting.pop()
        if source in found:
            continue
        found.add(source)
        waiting += imported(source)
        waiting += [p / "__init__.py" for p in source.parents if (p / "__init__.py").exists()]
        for name in re.findall(r'"([\w.]+\.j2|served\.py)"', source.read_text()):
            waiting += [] if name.endswith("j2") else [source.with_name(name)]
            found |= {source.with_name(name)} if name.endswith("j2") else set()
        if source == ROOT / "stages/metrics/__init__.py":
            waiting += [source.with_name(f"{name}.py") for name in metrics.MODULES.values()]
    paths = {path.relative_to(ROOT).as_posix() for path in found}
    return paths | ({TASK} if "stages/tasks/__init__.py" in paths else set())


@pytest.mark.parametrize("stage", PIPELINE)
def test_deps_are_the_import_closure(stage):
    """A stage lists all the code it imports and no other."""
    listed = {dep for dep in body(stage)["deps"] if dep.startswith("stages/")}
    assert listed == closure(MODULES.get(stage, stage))


@pytest.mark.parametrize("stage", PIPELINE)
def test_cmd_uses_modules_and_declared_paths(stage):
    """Every cmd runs `-m stages.<module>`, and each path in it is a dep or an out."""
    words = body(stage)["cmd"].split()
    assert words[words.index("-m") + 1] == f"stages.{MODULES.get(stage, stage)}"
    declared = set(body(stage)["deps"]) | set(body(stage)["outs"])
    for word in words:
        if "/" in word or word.startswith("${item"):
            assert word in declared, word


def test_no_stage_imports_another():
    """What two stages share lies in a module of its own."""
    stages = {ROOT / "stages" / f"{MODULES.get(name, name)}.py" for name in PIPELINE}
    for stage in stages:
        assert not imported(stage) & (stages - {stage})


def test_every_parameter_group_is_somebodys():
    """No key of params.yaml is without a stage that depends on it."""
    declared = {p for name in PIPELINE for p in body(name).get("params", [])}
    declared |= {"data", "model"}  # ${item.group} of download
    assert set(params.Params.model_fields) <= {name.split(".")[0] for name in declared}
