"""dvc.yaml says the truth about code, paths and parameters."""

import ast
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import yaml

from stages import download, evaluate, export, tokenize, train
from temper import metrics, params
from temper.params import schema
from tests.conftest import TOKENIZED

ROOT = Path(__file__).parent.parent
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
ENGINES = ("trainer", "loop")
MODULES = {
    "data_files": "files",
    "model_files": "files",
    "code_files": "files",
    "zero_shot": "download",
}
MODULES |= {"tokenize_files": "files", "translators": "download"}
TASK = "temper/tasks/base/registry/${task.name}.py"
ENGINE = "temper/training/${train.engine}.py"


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
        if source == ROOT / "temper/metrics/__init__.py":
            waiting += [source.with_name(f"{name}.py") for name in metrics.MODULES]
        if source == ROOT / "stages/train.py":
            waiting += [source.with_name("training") / f"{name}.py" for name in ENGINES]
        if source == ROOT / "temper/tasks/base/registry/__init__.py":
            shared = {p for p in source.parent.glob("*.py") if p.stem not in params.TASKS}
            waiting += sorted(shared)
    paths = {path.relative_to(ROOT).as_posix() for path in found}
    engines = {f"temper/training/{name}.py" for name in ENGINES}
    chosen = ({TASK} if "temper/tasks/base/registry/__init__.py" in paths else set()) | (
        {ENGINE} if engines <= paths else set()
    )
    return paths - engines | chosen


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


def declared(stage: str, key: str = "") -> set[str]:
    """Return the parameters dvc.yaml lists for a stage, those of a `foreach` item filled in."""
    item = PIPELINE[stage].get("foreach", {}).get(key, {}) if key else {}
    names = body(stage).get("params", [])
    return {re.sub(r"\$\{item\.(\w+)\}", lambda m: item[m[1]], name) for name in names}


PASSED_ON = ("_params.py", "test_dag.py")  # a property there is read for its caller


class Reads:
    """Collects which fields of the parameters the code of `stages` reads, by dotted key."""

    def __init__(self, monkeypatch):
        self.found: set[str] = set()
        self.places = {
            type(value): name
            for name, value in params.load(ROOT / "params.yaml")
            if isinstance(value, schema.Group)
        }
        monkeypatch.setattr(schema.Group, "__getattribute__", self.reader())
        monkeypatch.setattr(params, "flatten", self.all_of(params.flatten))

    def all_of(self, flatten):
        def read(parameters, **options):
            found = flatten(parameters, **options)
            if is_stage(sys._getframe(1).f_code.co_filename):
                self.found |= found.keys()
            return found

        return read

    def reader(self):
        def read(group, name):
            frame = sys._getframe(1)
            while frame.f_code.co_filename.endswith(PASSED_ON):
                frame = frame.f_back
            if name in type(group).model_fields and is_stage(frame.f_code.co_filename):
                if type(group) in self.places:
                    self.found.add(f"{self.places[type(group)]}.{name}")
                elif type(group) is params.Params and name == "seed":
                    self.found.add(name)
            return object.__getattribute__(group, name)

        return read


def is_stage(file: str) -> bool:
    """Tell whether a read determines a result: the schema's own and the tracker's do not."""
    path = Path(file)
    return path.is_relative_to(ROOT / "stages") and not (
        path.name.endswith(("params.py", "groups.py", "fitting.py"))
        or path.parent.name == "tracking"
    )


@pytest.mark.slow
def test_params_are_those_the_code_reads(prepare, monkeypatch):
    """Each stage runs; what it read lies under what dvc.yaml lists, and nothing there is unread."""
    parameters = prepare(train__epochs=1.0)
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    shutil.copytree(ROOT / "stages", "stages")
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)
    reads = Reads(monkeypatch)
    data = {n: Path("data") / n for n in ("raw", "base", "tokenized", "model", "evaluation")}
    trained = [data["model"], Path("data/checkpoints"), Path("data/history")]
    runs = {
        ("download", "dataset"): lambda: download.main(
            "dataset", Path("data/files/dataset"), data["raw"]
        ),
        ("download", "model"): lambda: download.main(
            "model", Path("data/files/model"), data["base"]
        ),
        ("tokenize", ""): lambda: tokenize.main(*(Path("data") / name for name in TOKENIZED)),
        ("train", ""): lambda: train.main(data["tokenized"], data["base"], *trained),
        ("evaluate", ""): lambda: evaluate.main(
            data["model"],
            data["tokenized"],
            data["raw"],
            Path("data/zero_shot"),
            data["evaluation"],
        ),
        ("export", ""): lambda: export.main(
            data["model"],
            data["evaluation"],
            data["tokenized"],
            data["raw"] / "summary.json",
            Path("data/export"),
        ),
    }
    assert parameters.task.name == "sequence_classification"
    for (stage, key), start in runs.items():
        reads.found.clear()
        start()
        listed = declared(stage, key)
        undeclared = {
            name
            for name in reads.found
            if not any(f"{name}.".startswith(f"{other}.") for other in listed)
        }
        assert not undeclared, (stage, key)
        source = (ROOT / f"stages/{stage}.py").read_text()
        assert "determinism.prepare(params.load().determinism" in source
        for name in listed - {"determinism"}:
            assert any(f"{found}.".startswith(f"{name}.") for found in reads.found), (stage, name)


def test_every_key_is_read_by_a_stage_that_lists_it():
    """No key of params.yaml is without effect: its name stands in such a stage's code."""
    words: dict[str, set[str]] = {}
    for stage in PIPELINE:
        for key in PIPELINE[stage].get("foreach", [""]) if stage == "download" else [""]:
            for group in declared(stage, key):
                words.setdefault(group.split(".")[0], set()).update(names_in(stage))
    for key in params.flatten(params.load(ROOT / "params.yaml")):
        group, *rest = key.split(".")
        fixed = [part for part in rest if part not in ("train", "validation", "test", "sample")]
        for part in fixed:
            assert part in words[group] or part in (ROOT / "dvc.yaml").read_text(), key


def names_in(stage: str) -> set[str]:
    """Return the attributes and strings in a stage's code, the schema's and tracker's left out."""
    found = set()
    chosen = {"temper/tasks/sequence_classification.py"}
    chosen |= {ENGINE.replace("${train.engine}", name) for name in ENGINES if stage == "train"}
    for path in closure(MODULES.get(stage, stage)) | chosen:
        file = ROOT / path
        if not file.exists() or not is_stage(str(file)) or file.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_an_undeclared_helper_is_found(tmp_path):
    """The closure sees an import inside a function, of a module or of one of its names."""
    file = tmp_path / "stage.py"
    file.write_text("def main():\n    from temper.evaluation import intervals\n")
    assert imported(file) == {
        ROOT / "temper/evaluation/__init__.py",
        ROOT / "temper/evaluation/bootstrap.py",
    }
