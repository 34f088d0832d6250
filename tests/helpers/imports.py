"""dvc.yaml and the imports of the code, read without running either."""

import ast
import re
from functools import cache
from pathlib import Path

import yaml

from temper import metrics

ROOT = Path(__file__).parents[2]
CODE = ("stages", "temper")
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CHOSEN = {"${task.name}": "sequence_classification", "${train.engine}": "trainer"}


def body(stage: str) -> dict:
    """Return a stage of dvc.yaml; of a `foreach`, what its items share."""
    return PIPELINE[stage].get("do", PIPELINE[stage])


def module_of(stage: str) -> str:
    """Return the name after `-m stages.` in a stage's command."""
    match = re.search(r"-m stages\.(\w+)", body(stage)["cmd"])
    assert match is not None
    return match[1]


def code_deps(stage: str) -> list[str]:
    """Return the files and folders of code that a stage lists."""
    return [dep for dep in body(stage)["deps"] if dep.split("/")[0] in CODE]


def covers(dep: str, path: str) -> bool:
    """Say whether an edit of a file is seen by DVC through a dep, with the parameters of CHOSEN."""
    for placeholder, name in CHOSEN.items():
        dep = dep.replace(placeholder, name)
    return path == dep or path.startswith(f"{dep}/")


@cache
def imported(source: Path) -> set[Path]:
    """Return the project's files that a file imports, wherever in it the import stands.

    `from package import module` is an import of the module; `closure` adds the packages.
    """
    files = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            files |= {file_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            files |= {
                file_of(f"{node.module}.{alias.name}") or file_of(node.module)
                for alias in node.names
            }
    return {file for file in files if file is not None}


def file_of(name: str) -> Path | None:
    """Return the file of a dotted module of this project, or None."""
    if name.split(".")[0] not in CODE:
        return None
    base = ROOT.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.exists()), None)


def named_at_run_time(source: Path) -> list[Path]:
    """Return the files that a file loads by a name: templates, tasks, metrics, the engine."""
    names = re.findall(r'"([\w.]+\.j2|served\.py)"', source.read_text())
    files = [source.with_name(name) for name in names if source.with_name(name).exists()]
    relative = source.relative_to(ROOT).as_posix()
    if relative == "temper/metrics/__init__.py":
        files += [source.with_name(f"{name}.py") for name in metrics.MODULES]
    if relative == "temper/tasks/base/registry.py":
        files.append(ROOT / f"temper/tasks/{CHOSEN['${task.name}']}.py")
    if relative == "stages/train.py":
        files.append(ROOT / f"temper/engines/{CHOSEN['${train.engine}']}.py")
    return files


def closure(source: Path) -> set[str]:
    """Return the paths of all code that a file needs, with the parameters of CHOSEN."""
    waiting, files = [source], set()
    while waiting:
        file = waiting.pop()
        if file in files:
            continue
        files.add(file)
        if file.suffix == ".py":
            waiting += [*imported(file), *named_at_run_time(file)]
        waiting += [p / "__init__.py" for p in file.parents if (p / "__init__.py").exists()]
    return {file.relative_to(ROOT).as_posix() for file in files}


def is_docstring_only(path: str) -> bool:
    """Say whether a module has no code, so that no edit of it changes a result."""
    nodes = ast.parse((ROOT / path).read_text()).body
    return all(isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in nodes)
