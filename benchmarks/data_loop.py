"""What `temper doubts` finds of planted errors, and what `temper next` gains over random rows.

`python benchmarks/data_loop.py --model path/to/all-MiniLM-L6-v2 --mrpc path/to/mrpc --reviews
vaderSentiment-3.3.2.tar.gz`. See docs/data-loop.md. The judge is the linear one, on the vectors of
the model before training. `--trained reviews mrpc sample` runs `temper doubts --judge trained` on a
copy of the repository instead, beside the linear judge; `--rows`, `--folds` and `--seeds` make that
cheaper: it trains a model per fold and seed. Docstrings are sentences of five installed libraries,
with the library as the label; digits are those of scikit-learn, as pixels.
"""

import argparse
import inspect
import pkgutil
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import mrpc
import numpy as np
import time_to_quality
import yaml

from temper.data_loop import confidence, linear_judge, near_duplicates, selection, vectors
from temper.evaluation import baselines
from temper.inference import RowList
from temper.sweep import space

LIBRARIES = ("numpy", "sklearn.linear_model", "torch.nn.modules", "jinja2", "sqlalchemy.orm")
FLIPPED, LOOKED_AT = 0.05, 0.08  # shares of the rows
START, PICKED, TEST = 100, 200, 1000  # rows that are labelled, then picked; rows of test
MAX_ROWS = 3000
PAIR = ("sentence1", "sentence2")
ROOT = Path(__file__).parent.parent


def embed(model: Path, columns: list[list[str]]) -> np.ndarray:
    """Return what `vectors.of_splits` does, of a model's folder."""
    from transformers import AutoTokenizer

    from temper.tasks.base import arrays
    from temper.tasks.base.texts import encode_texts

    tokenizer = AutoTokenizer.from_pretrained(str(model))

    def collate(rows: Any) -> dict[str, np.ndarray]:
        ids = [row["input_ids"] for row in rows]
        batch = arrays.pad_ids(ids, max(map(len, ids)), tokenizer)
        return batch | {"token_type_ids": np.zeros_like(batch["input_ids"])}

    embedder = vectors.Embedder(model, lambda _: collate)
    parts = [
        embedder.embed(RowList.of_columns(encode_texts(tokenizer, [column], 128)))
        for column in columns
    ]
    return vectors.join(parts)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield distinct sentences of docstrings with their library, the same in every process."""
    seen = set()
    for name in LIBRARIES:
        library = import_module(name)
        names = [info.name for info in pkgutil.iter_modules(library.__path__)]
        modules = [library]
        for inner in sorted(names):
            if not inner.startswith(("_", "test", "conftest")):
                modules.append(import_module(f"{name}.{inner}"))
        for module in modules:
            for _, member in sorted(vars(module).items(), key=lambda item: item[0]):
                text = inspect.getdoc(member) if callable(member) else None
                for sentence in re.split(r"(?<=\.)\s+", " ".join((text or "").split())):
                    if 40 <= len(sentence) <= 200 and sentence not in seen:
                        seen.add(sentence)
                        yield sentence, name


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        columns: of texts; [] of images.
        names: of the labels, by id.
        groups: of near-duplicates, a number per row.
    """

    matrix: Any
    columns: list[list[str]]
    labels: np.ndarray
    names: list[str]
    groups: np.ndarray


def load(name: str, options: argparse.Namespace) -> Data:
    if name == "digits":
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        pairs = near_duplicates.of_images(digits.data, near_duplicates.IMAGE_SIMILARITY)
        return Data(digits.data / 16, [], digits.target, [*"0123456789"], pairs.groups())
    if name == "reviews":
        rows = time_to_quality.read_reviews(options.reviews)
        columns, labels = [[row["sentence"] for row in rows]], [row["label"] for row in rows]
    elif name == "docstrings":
        sentences, labels = map(list, zip(*docstrings(), strict=True))
        columns = [sentences]
    else:
        folder = options.mrpc if name == "mrpc" else Path("data/sample")
        rows = time_to_quality.read_csv(folder / "train.csv")
        columns = [[row[column] for row in rows] for column in PAIR]
        labels = [row["label"] for row in rows]
    num_rows = options.rows or (len(labels) if name in ("mrpc", "sample") else MAX_ROWS)
    if num_rows < len(labels):
        chosen = np.random.default_rng(0).permutation(len(labels))[:num_rows]
        columns = [[column[i] for i in chosen] for column in columns]
        labels = [labels[i] for i in chosen]
    pairs = near_duplicates.of_texts(columns, near_duplicates.TEXT_SIMILARITY)
    names, ids = np.unique(labels, return_inverse=True)
    matrix = baselines.tfidf(columns, {})[0] if name == "sample" else embed(options.model, columns)
    return Data(matrix, columns, ids, names.tolist(), pairs.groups())


def plant(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of which some are wrong, and the numbers of those rows."""
    random, wrong = np.random.default_rng(seed), labels.copy()
    flipped = random.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    num_labels = labels.max() + 1
    wrong[flipped] += random.integers(1, num_labels, len(flipped))
    return wrong % num_labels, flipped


def share_found(order: Any, flipped: np.ndarray, num_rows: int) -> float:
    """Return the share of planted errors at the top of the list."""
    return float(np.isin(flipped, order[: round(LOOKED_AT * num_rows)]).mean())


def planted(data: Data, seed: int, folds: int) -> tuple[float, float, int]:
    """Return the share that the linear judge finds, how often it agrees, and its estimate."""
    wrong, flipped = plant(data.labels, seed)
    fold = confidence.fold_of(wrong, data.groups, folds, seed)
    found = confidence.single_label(linear_judge.out_of_fold(data.matrix, wrong, fold), wrong)
    order = np.argsort(found.scores, kind="stable")
    return share_found(order, flipped, len(wrong)), found.agreement, found.expected


def trained(name: str, data: Data, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Run the command on a copy of the repository; return what it finds and its CPU seconds."""
    wrong, flipped = plant(data.labels, seed)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "temper"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(workspace)], check=True)
        inputs = PAIR if len(data.columns) == 2 else ("sentence",)
        rows = [dict(zip(inputs, texts, strict=True)) for texts in zip(*data.columns, strict=True)]
        rows = [row | {"label": data.names[i]} for row, i in zip(rows, wrong, strict=True)]
        (workspace / "mydata").mkdir()
        time_to_quality.write_split(rows, workspace / "mydata/train")
        write_trained_params(name, data, seed, workspace, options)
        time_to_quality.cpu_seconds(["dvc", "repro", "download@model"], workspace)
        command = ["temper", "doubts", "--judge", "trained", "--folds", str(options.folds)]
        seconds, output = time_to_quality.cpu_seconds(command, workspace)
        order = [int(row["row"]) - 1 for row in time_to_quality.read_csv(workspace / "doubts.csv")]
    (agreement,) = re.findall(r"agrees with ([\d.]+)%", output)
    found = share_found(np.array(order), flipped, len(wrong))
    return {"found": found, "agreement": float(agreement) / 100, "cpu_s": seconds}


def write_trained_params(
    name: str, data: Data, seed: int, workspace: Path, options: argparse.Namespace
) -> None:
    """Write params.yaml: the sample's own, or the recipe of docs/what-helps.md."""
    changes: dict[str, Any] = {"data.files": {"train": "mydata/train.csv"}}
    changes |= {"data.split.validation": 0.0, "data.split.test": 0.0, "data.split.seed": seed}
    if name == "sample":
        tree = yaml.safe_load((ROOT / "params.yaml").read_text())
        space.set_values(tree, changes | {"seed": seed})
        (workspace / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        return
    text = ["sentence"] if len(data.columns) == 1 else [*PAIR]
    task = {"name": "sequence_classification", "problem_type": "single_label_classification"}
    changes["task"] = task | {"text": text, "label": "label", "labels": data.names}
    changes["evaluate.positive_label"] = data.names[-1]
    changes |= time_to_quality.SHARED | time_to_quality.RECIPES[name]
    mrpc.write_params(workspace, workspace / "mydata", options.model.resolve(), seed, changes)


def fitted(matrix: Any, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=linear_judge.C["dense"], max_iter=300).fit(matrix, labels)


def learned(data: Data, seed: int) -> dict[str, float]:
    """Return the accuracy on test with the first rows alone, and with rows picked by each way."""
    matrix, labels = data.matrix, data.labels
    order = np.random.default_rng(seed).permutation(len(labels))
    test_rows = min(TEST, len(labels) // 3)
    test, start, pool = np.split(order, [test_rows, test_rows + START])
    model = fitted(matrix[start], labels[start])
    sureness = selection.margins(model.predict_proba(matrix[pool]), has_several=False)
    near = selection.candidates(sureness, PICKED)
    chosen = near[selection.choose(matrix[pool][near], sureness[near], PICKED, seed)]
    ways = {
        "start": [],
        "random": pool[:PICKED],
        "least sure": pool[np.argsort(sureness, kind="stable")[:PICKED]],
        "temper next": pool[chosen],
    }
    scores = {}
    for way, picked in ways.items():
        rows = np.concatenate([start, np.asarray(picked, dtype=int)])
        scores[way] = float(fitted(matrix[rows], labels[rows]).score(matrix[test], labels[test]))
    return scores


def compare_judges(name: str, data: Data, options: argparse.Namespace) -> None:
    """Print what both judges find of the same errors."""
    for seed in range(options.seeds):
        share, agreement, _ = planted(data, seed, options.folds)
        row = trained(name, data, seed, options)
        print(
            f"{name}: {len(data.labels):,} rows, seed {seed}: linear found {share:.1%}, agrees "
            f"with {agreement:.1%}; trained found {row['found']:.1%}, agrees with "
            f"{row['agreement']:.1%}, {row['cpu_s']:.0f} CPU s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--mrpc", type=Path)
    parser.add_argument("--reviews", type=Path)
    parser.add_argument("--trained", nargs="+", choices=("reviews", "mrpc", "sample"), default=[])
    parser.add_argument("--rows", type=int, help="of texts, at most")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in options.trained:
        compare_judges(name, load(name, options), options)
    names = [] if options.trained else ["digits", "docstrings", "sample"]
    names += [name for name in ("reviews", "mrpc") if getattr(options, name) and names]
    for name in names:
        report(name, load(name, options), options)


def report(name: str, data: Data, options: argparse.Namespace) -> None:
    """Print what the linear judge finds, and what `temper next` gains."""
    runs = np.array([planted(data, seed, options.folds) for seed in range(options.seeds)])
    found, spread = runs[:, 0].mean(), runs[:, 0].std(ddof=1)
    print(
        f"{name}: {len(data.labels):,} rows, found {found:.1%} ± {spread:.1%} of the errors in the "
        f"first {LOOKED_AT:.0%}; agreement {runs[:, 1].mean():.1%}, expected errors "
        f"{runs[:, 2].mean():.0f} of {FLIPPED * len(data.labels):.0f} planted",
        flush=True,
    )
    if name == "sample":
        return
    scores = [learned(data, seed) for seed in range(options.seeds)]
    for way in scores[0]:
        values = [100 * score[way] for score in scores]
        print(f"  {way}: {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}")
    gains = (f"{100 * (score['temper next'] - score['random']):+.1f}" for score in scores)
    print(f"  temper next − random, by seed: {', '.join(gains)}", flush=True)


if __name__ == "__main__":
    main()
