"""`temper check` of changed parameters."""

import json
from pathlib import Path

import yaml

from temper import params
from temper.cli import check
from temper.core import yaml_file
from tests.helpers.workspace import ROOT, change, init_dvc, link_code

KEPT = ("data/files/code", "data/files/tokenize", "data/translators", "data/zero_shot")
KEPT += ("data/teachers", "data/teacher_logits")


def examine(write_params, pipeline="stages: {}\n", **changes):
    """Return the mistakes and facts of changed parameters."""
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text(pipeline)
    return check.examine(parameters)


def only(found):
    (mistake,) = found
    return mistake


def line_of(fragment):
    lines = Path("params.yaml").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if fragment in line)


def check_sample(folder, patch, task: str, rows: list[dict], **changes) -> list[str]:
    """Return what `temper check` says of a sample recipe with these rows as training data."""
    tree = yaml.load((ROOT / f"recipes/sample-{task}.yaml").read_text(), Loader=yaml_file.Loader)
    patch.chdir(folder)
    init_dvc(folder)
    link_code(folder, "data/sample", *KEPT)
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tree["data"]["files"] = {"train": "own.jsonl"}
    tree = change(tree, {key.replace("__", "."): value for key, value in changes.items()})
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return check.examine(params.load())[0]
