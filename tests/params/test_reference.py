"""params.schema.json and docs/parameters.md are generated from the schema."""

import json
import subprocess
import sys

import yaml
from pydantic import BaseModel

from temper import params
from temper import params_reference as reference
from temper.params import rules
from temper.params.group import groups_of
from tests.helpers.parameters import schema_keys
from tests.helpers.workspace import ROOT


def fields(group: type[BaseModel], prefix: str = ""):
    """Yield the dotted key and the field of every key, groups included."""
    for key, (name, field) in zip(
        reference.keys_of(group, prefix), group.model_fields.items(), strict=True
    ):
        assert key.dotted == f"{prefix}{name}"
        yield key, field
        for inner in key.groups:
            yield from fields(inner, key.inner)


def test_generated_files_are_up_to_date(tmp_path):
    """They hold the bytes that `python -m temper.params_reference` writes."""
    command = [
        sys.executable,
        "-m",
        "temper.params_reference",
        "params.schema.json",
        "parameters.md",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, env={"PYTHONPATH": str(ROOT)})
    for written, path in (("params.schema.json",) * 2, ("parameters.md", "docs/parameters.md")):
        assert (tmp_path / written).read_bytes() == (ROOT / path).read_bytes(), path


def test_a_description_says_what_absence_means():
    """Of every optional key, and of no other."""
    for key, field in fields(params.Params):
        is_group = field.is_required() and key.groups and "." not in key.dotted
        assert is_group or key.description, key.dotted
        optional = not field.is_required() and key.dotted not in rules.TASK_KEYS
        assert bool(key.absent) == optional, key.dotted


def test_every_key_of_every_task_is_on_the_page():
    """In the table of its group, and only there."""
    page = (ROOT / "docs/parameters.md").read_text()
    sections = {part.partition("\n")[0].strip("# `"): part for part in page.split("\n#")}
    for task, schema in params.TASKS.items():
        for name in schema.model_fields:
            assert f"\n| `{name}` |" in sections[task], (task, name)
    for key, field in fields(params.Params):
        group, _, name = key.dotted.rpartition(".")
        if group and group != "task":
            assert f"\n| `{name}` |" in sections[group], key.dotted
        for inner in key.groups if group else ():
            assert f"(#{key.inner.translate(str.maketrans('', '', '.<>'))})" in page
            assert groups_of(field.annotation), inner
    for line in page.splitlines():
        assert not line.startswith("| ") or line.replace("\\|", "").count("|") == 5, line


def test_types_are_in_words():
    """Ranges, units, choices, lists and names."""
    values = {key.dotted: key.values for key, _ in fields(params.Params)}
    assert values["train.batch_size"] == "int ≥ 1 (examples)"
    assert values["train.warmup_ratio"] == "float ≥ 0 and < 1"
    assert values["train.freeze.layers"] == "int ≥ 0 (layers) | `all`"
    assert values["train.precision"] == "`auto` | `fp32` | `bf16` | `fp16`"
    assert values["tokenize.max_length"] == "int ≥ 1 (tokens)"
    assert values["model.files"] == "name → text"
    assert values["task.text"] == "list of text (2 to 2)"  # of the last task with one


def test_schema_keys_are_those_that_files_hold():
    """All of them, those of tasks together, dotted; names that a file gives are `<name>`."""
    keys = schema_keys()
    assert len(keys) == len(set(keys)) > 150
    assert {"seed", "code", "task.scheme", "train.freeze.layers"} <= set(keys)
    assert "evaluate.zero_shot.<name>.template" in keys
    assert "train.freeze" not in keys
    for recipe in ("params.yaml", "recipes/squad.yaml", "recipes/beans.yaml"):
        for key in params.flatten(params.load(ROOT / recipe)):
            given = ("data.files", "model.files", "data.hub.splits", "model.config")
            named = next((name for name in given if key.startswith(name)), key)
            assert named in keys, key


def test_editors_describe_every_key():
    """The JSON Schema has a description and says what is required, for each key of each group."""
    schema = json.loads((ROOT / "params.schema.json").read_text())
    for name, group in schema["$defs"].items():
        for key, node in group["properties"].items():
            assert "description" in node, (name, key)
    required = schema["$defs"]["TrainParams"]["required"]
    assert "learning_rate" in required
    assert "label_smoothing" not in required
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(required) <= set(tree["train"])
