"""Each parameter is read by the stages that list it in dvc.yaml, and by no other."""

import ast
import re
import shutil
import signal
import sys
from functools import cache
from pathlib import Path

import pytest

from stages import download, tokenize
from temper import params
from temper.params import schema
from temper.params.task_schema import Input
from tests.helpers import stage_runs
from tests.helpers.imports import PIPELINE, ROOT, body, closure, module_of
from tests.helpers.parameters import schema_keys

TOKENIZED = ("raw", "base/processor", "files/code", "files/tokenize", "translators", "tokenized")
PASSED_ON = ("train.lr_scheduler_kwargs.", "evaluate.generation.")  # whole, to transformers


def declared(stage: str, key: str = "") -> set[str]:
    """Return the parameters dvc.yaml lists for a stage, those of a `foreach` item filled in."""
    item = PIPELINE[stage].get("foreach", {}).get(key, {}) if key else {}
    names = body(stage).get("params", [])
    return {re.sub(r"\$\{item\.(\w+)\}", lambda m: item[m[1]], name) for name in names}


def determines_results(file: str) -> bool:
    """Say whether a read in a file counts: the schema's own and the tracker's do not."""
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return False
    inside = path.relative_to(ROOT).as_posix()
    if inside == "temper/params/user_code.py":
        return True
    shown = ("temper/params/", "temper/tracking/")
    return inside.startswith(("stages/", "temper/")) and not inside.startswith(shown)


class Reads:
    """Collects the dotted keys of the parameters that stages and library read."""

    def __init__(self, monkeypatch):
        self.keys: set[str] = set()
        self.groups = {
            type(value): name
            for name, value in params.load(ROOT / "params.yaml")
            if isinstance(value, schema.Group)
        }
        monkeypatch.setattr(schema.Group, "__getattribute__", self.reader())
        for shown in ("flatten", "as_written"):
            monkeypatch.setattr(params, shown, self.all_of(getattr(params, shown)))

    def all_of(self, flatten):
        def read(parameters, **options):
            values = flatten(parameters, **options)
            if determines_results(sys._getframe(1).f_code.co_filename):
                self.keys.update(values)
            return values

        return read

    def reader(self):
        groups = ("task", "task_schema", "data", "model", "tokenize", "train")
        properties = {str(ROOT / f"temper/params/{name}.py") for name in groups}
        passed_on = {*properties, __file__}  # a property is read for its caller

        def read(group, name):
            frame = sys._getframe(1)
            while frame.f_code.co_filename in passed_on:
                frame = frame.f_back
            if name in type(group).model_fields and determines_results(frame.f_code.co_filename):
                if type(group) in self.groups:
                    self.keys.add(f"{self.groups[type(group)]}.{name}")
                elif type(group) is params.Params and name == "seed":
                    self.keys.add(name)
            return object.__getattribute__(group, name)

        return read


@pytest.mark.slow
def test_a_stage_reads_what_it_lists_and_nothing_else(prepare, monkeypatch):
    """Each stage runs; what it read lies under what dvc.yaml lists, and nothing there is unread."""
    parameters = prepare(train__epochs=1.0)
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    for code in ("stages", "temper"):
        shutil.copytree(ROOT / code, code)
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)
    reads = Reads(monkeypatch)
    data = {n: Path("data") / n for n in ("raw", "base", "tokenized", "model", "evaluation")}
    runs = {
        ("download", "dataset"): lambda: download.main(
            "dataset", Path("data/files/dataset"), data["raw"]
        ),
        ("download", "model"): lambda: download.main(
            "model", Path("data/files/model"), data["base"]
        ),
        ("tokenize", ""): lambda: tokenize.main(*(Path("data") / name for name in TOKENIZED)),
        ("train", ""): stage_runs.train,
        ("evaluate", ""): stage_runs.evaluate,
        ("export", ""): stage_runs.export,
    }
    assert parameters.task.name == "sequence_classification"
    for (stage, key), start in runs.items():
        reads.keys.clear()
        start()
        listed = declared(stage, key)
        undeclared = {
            name
            for name in reads.keys
            if not any(f"{name}.".startswith(f"{other}.") for other in listed)
        }
        assert not undeclared, (stage, key)
        source = (ROOT / f"stages/{stage}.py").read_text()
        assert re.search(r"determinism\.prepare\(.+\.determinism", source)
        for name in listed - {"determinism"}:
            assert any(f"{read}.".startswith(f"{name}.") for read in reads.keys), (stage, name)


def test_every_key_is_read_by_a_stage_that_lists_it():
    """No key of the schema is without effect: its name stands in such a stage's code."""
    words: dict[str, set[str]] = {}
    for stage in PIPELINE:
        for key in PIPELINE[stage].get("foreach", [""]) if stage == "download" else [""]:
            for group in declared(stage, key):
                words.setdefault(group.split(".")[0], set()).update(names_in(stage))
    pipeline = (ROOT / "dvc.yaml").read_text()
    unread = {
        key
        for key in schema_keys()
        for group, *rest in [key.split(".")]
        if not all(part in words[group] or part in pipeline for part in rest if part != "<name>")
    }
    inputs = {
        f"task.{name}"
        for task in params.TASKS.values()
        for name, field in task.model_fields.items()
        if any(isinstance(mark, Input) for mark in field.metadata)
    }
    assert "read_text" in words["task"]  # which reads them by their mark
    assert {key for key in unread - inputs if not key.startswith(PASSED_ON)} == set()


@cache
def names_in(stage: str) -> set[str]:
    """Return the attributes and strings in a stage's code, the schema's and tracker's left out."""
    names = set()
    paths = closure(ROOT / f"stages/{module_of(stage)}.py")
    paths |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "temper/tasks").glob("*.py")}
    for path in paths:
        file = ROOT / path
        if not determines_results(str(file)) or file.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names
