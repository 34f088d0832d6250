"""A DVC repository whose one stage writes scores by fold, subset and seed."""

import pytest

from tests.helpers.repository import make_stub

STUB = """
import csv, json, yaml
from pathlib import Path
import numpy as np
p = yaml.safe_load(Path("params.yaml").read_text())
fold = p["data"].get("fold", {"k": 1, "index": 0})
size = p["data"].get("subset", {}).get("train", 80)
random = np.random.default_rng([p["seed"], fold["index"], size])
Path("data/evaluation/predictions").mkdir(parents=True)
Path("data/raw").mkdir(parents=True)
rows = 30 + fold["index"]
names = ["not_equivalent", "equivalent"]
wanted = random.integers(0, 2, rows)
chances = np.clip(np.where(random.random(rows) < 0.8, wanted, 1 - wanted), 0.1, 0.9)
with open("data/evaluation/predictions/validation.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    writer.writerow(["row", "reference", "prediction", "score", *(f"score_{n}" for n in names)])
    for i, (w, c) in enumerate(zip(wanted, chances)):
        found = int(c > 0.5)
        writer.writerow([i, names[w], names[found], max(c, 1 - c), 1 - c, c])
hits = float(((chances > 0.5) == wanted).mean())
score = hits if fold["k"] > 1 else 0.9 - 5 / size + p["seed"] / 1000
found = {"validation": {"accuracy": score, "f1": hits, "accuracy_low": 0.0, "log_loss": 1 - score}}
Path("data/evaluation/metrics.json").write_text(json.dumps(found))
splits = {"train": {"rows": size}, "validation": {"rows": rows}}
Path("data/raw/summary.json").write_text(json.dumps({"splits": splits}))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return a DVC repository whose one stage writes scores by fold, subset and seed."""
    return make_stub(tmp_path_factory.mktemp("stub") / "repository", STUB)


@pytest.fixture
def inside(repository, monkeypatch):
    """Go to the repository."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("COLUMNS", "120")
    return repository
