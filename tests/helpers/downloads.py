"""Data sets of small local files, downloaded, and the mistakes that stop them."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from stages import download
from temper.cli import check
from temper.core import arrow
from temper.core.errors import InputError

SINGLE = {"task__text": ["text"], "task__labels": None, "evaluate__positive_label": "b"}
NO_CUT = {"validation": 0.0, "test": 0.0, "seed": 1}
CUT = {"validation": 0.2, "test": 0.2, "seed": 1}
FOLD = {"k": 5, "index": 0}


def get(write_params, **changes):
    """Download a data set of local files; return its splits and summary."""
    parameters = write_params(**changes)
    target = Path("data/raw")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for split in parameters.data.files:
        manifest = Path(f"data/files/dataset/{split}.json")
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")
    summary = download.download_dataset(parameters, Path("data/files/dataset"), target)
    return arrow.load(target), summary


def one_file(text, name="train.csv"):
    Path(name).write_text(text, encoding="utf-8")
    return {
        "data__files": {"train": name},
        "data__split": {"validation": 0.0, "test": 0.0, "seed": 1},
    }


def texts(found):
    return {split: list(rows["text"]) for split, rows in found.items()}


def counts(found, split="train"):
    return dict(Counter(found[split].features["label"].int2str(found[split]["label"])))


def refused(write_params, **changes):
    """Return what `temper check` and the download stage say, both before data is written."""
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    found, _ = check.examine(parameters)
    with pytest.raises(InputError) as caught:
        get(write_params, **changes)
    assert not list(Path("data/raw").iterdir())
    return found, str(caught.value)
