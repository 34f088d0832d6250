"""Rows, parameters and processors of the samples, one task each."""

import csv
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from temper import params
from temper.core import yaml_file
from temper.tasks.base import registry
from tests.helpers import chats
from tests.helpers.workspace import ROOT, change, load_data

ROWS = {"train": 200, "validation": 24, "test": 24}
ODD = (
    "",
    "naïve café 😀 end",
    "e\u0301galite\u0301 你好 世界",
    "tab\there  and\u00a0there",
    "🇫🇷👩‍👩‍👧",
)
SEQ2SEQ = "recipes/sample-seq2seq_lm.yaml"


def rows_of(path: Path, count: int) -> list[dict]:
    """Return the first rows of a sample file."""
    if path.suffix == ".parquet":
        return pq.read_table(path).slice(0, count).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return list(itertools.islice(rows, count))


def write_rows(path: Path, rows: list[dict]) -> None:
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def prepare_sample(folder: Path, recipe: str, changes: dict) -> params.Params:
    """Write params.yaml and small data files in the working directory; download and tokenize."""
    tree = yaml.load((ROOT / recipe).read_text(), Loader=yaml_file.Loader)
    change(tree, {"evaluate.bootstrap_samples": 50, "train.metric_for_best_model": "loss"})
    change(tree, {"train.evaluate_every": 50, "train.save_every": 1000, "train.batch_size": 20})
    change(tree, changes)
    if "int8" in tree["export"]:
        tree["export"]["max_score_drop"] = 1.0
    for split, count in ROWS.items():
        source = ROOT / tree["data"]["files"][split]
        suffix = ".parquet" if source.suffix == ".parquet" else ".jsonl"
        rows = rows_of(source, count)
        if tree["task"]["name"] == "masked_lm":  # other words are hidden each time: fewer texts
            rows = rows[:4] * (count // 4)
        if messages := tree["task"].get("messages"):
            rows = [{messages: chats.say(row["sentence1"], row["label"])} for row in rows]
        write_rows(Path(f"{split}{suffix}"), rows)
        tree["data"]["files"][split] = f"{split}{suffix}"
    (model,) = tree["model"]["files"].values()
    if "messages" in tree["task"]:
        chats.write_model(folder / model)
    else:
        shutil.copytree(ROOT / model, folder / model)
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    parameters = params.load()
    return load_data(parameters)


def load(recipe: str, **changes) -> tuple[Any, Any, Any]:
    """Return a task, its processor and its model's config, from a recipe."""
    tree = yaml.load((ROOT / recipe).read_text(), Loader=yaml_file.Loader)
    change(tree, {key.replace("__", "."): value for key, value in changes.items()})
    parameters = params.Params.model_validate_json(json.dumps(tree))
    (model,) = parameters.model.files.values()
    task = registry.load(parameters)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(ROOT / model))
    return task, registry.load_processor(ROOT / model, task), config


class Config:
    """The fact a collator asks a model's config."""

    num_labels = 3
