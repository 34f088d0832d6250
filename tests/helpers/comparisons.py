"""Models to compare, whose files are in memory."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import yaml

from temper import params
from temper.compare import experiments, row_scores, significance
from temper.core.arrow import SHARD
from tests.helpers.workspace import ROOT, change

NAMES = ["not_equivalent", "equivalent"]
SAMPLES = 2000
TASKS = {
    "pair": {},
    "number": {
        "task.problem_type": "regression",
        "task.labels": None,
        "evaluate.positive_label": None,
    },
    "words": {
        "task": {"name": "causal_lm", "prompt": None, "text": "sentence1"},
        "evaluate.positive_label": None,
    },
}
WANTED = np.arange(600) % 2
TEXTS = {
    "sentence1": [f"first {i}" for i in range(600)],
    "sentence2": [f"second {i}" for i in range(600)],
}
# the script of a stage whose model is right more often with more epochs
STUB = """
import csv, json, yaml
from pathlib import Path
import numpy as np
p = yaml.safe_load(Path("params.yaml").read_text())
random = np.random.default_rng(p["seed"])
names = ["not_equivalent", "equivalent"]
wanted = np.arange(200) % 2
found = np.where(random.random(200) < 0.55 + p["train"]["epochs"] / 10, wanted, 1 - wanted)
right = float((found == wanted).mean())
for name in ("data/evaluation/predictions", "data/raw"):
    Path(name).mkdir(parents=True)
with open("data/evaluation/predictions/test.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    writer.writerow(["row", "reference", "prediction", "score", *(f"score_{n}" for n in names)])
    writer.writerows([i, names[w], names[f], 0.9, 1 - f, f]
                     for i, (w, f) in enumerate(zip(wanted, found)))
Path("data/evaluation/metrics.json").write_text(json.dumps({"test": {"accuracy": round(right, 6)}}))
splits = {"test": {"sha256": "same"}}
Path("data/raw/summary.json").write_text(json.dumps({"splits": splits}))
"""


class Memory:
    """The files of a commit."""

    def __init__(self, files):
        self.files = files

    def read_bytes(self, path):
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def read_text(self, path, encoding):
        return self.read_bytes(path).decode(encoding)


def as_csv(table):
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return target.getvalue().encode()


def as_arrow(columns):
    sink, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def model(name, table, texts=None, *, settings=None, scores=None, sha256="same", kind="pair"):
    """Return a model whose files hold a table of test predictions.

    Args:
        name: of the model.
        table: rows of test.csv.
        texts: columns of data/raw; None for none.
        settings: changes of params.yaml, by dotted key.
        scores: of metrics.json; None for those of the rows.
        sha256: of the test rows.
        kind: of task; a key of `TASKS`.
    """
    tree = yaml.safe_load((ROOT / "tests/params.yaml").read_text())
    tree = change(tree, {**TASKS[kind], **(settings or {})})
    parameters = params.Params.model_validate_json(json.dumps(tree))
    if scores is None:
        model = row_scores.from_rows(parameters.task.metrics, table, NAMES, "equivalent")
        seen = significance.observed([model])
        scores = {key: round(float(v[0]), 6) for key, v in seen.items() if np.isfinite(v[0])}
    files = {
        "data/evaluation/predictions/test.csv": as_csv(table),
        experiments.METRICS: json.dumps({"test": scores}).encode(),
        "data/raw/summary.json": json.dumps({"splits": {"test": {"sha256": sha256}}}).encode(),
    }
    if texts is not None:
        files[f"data/raw/test/{SHARD}"] = as_arrow(texts)
    return experiments.Experiment(
        name=name, rev="0" * 40, parameters=parameters, files=Memory(files)
    )


def labelled(wanted, found, probabilities=None):
    """Return rows of a predictions file with two labels."""
    sure = np.where(found, 0.9, 0.1) if probabilities is None else probabilities
    return [
        {
            "row": i,
            "reference": NAMES[int(w)],
            "prediction": NAMES[int(f)],
            "score": f"{max(c, 1 - c):.6f}",
            "score_not_equivalent": f"{1 - c:.6f}",
            "score_equivalent": f"{c:.6f}",
        }
        for i, (w, f, c) in enumerate(zip(wanted, found, sure, strict=True))
    ]


def flipped(wanted, wrong):
    """Return predictions that are wrong in some rows."""
    return np.where(np.isin(np.arange(len(wanted)), wrong), 1 - wanted, wanted)


WORSE, BETTER = flipped(WANTED, range(100)), flipped(WANTED, [*range(40), *range(590, 600)])


def two(**more):
    return [
        model("a", labelled(WANTED, WORSE), TEXTS, **more),
        model("b", labelled(WANTED, BETTER), TEXTS, settings={"train.epochs": 3.0}),
    ]
