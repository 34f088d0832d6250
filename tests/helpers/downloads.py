"""Data sets of small local files, downloaded, and the mistakes that stop them."""

import shutil
from pathlib import Path

from stages import download
from temper.core import arrow

SINGLE = {"task__text": ["text"], "task__labels": None, "evaluate__positive_label": "b"}


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
