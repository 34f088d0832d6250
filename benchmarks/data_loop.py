"""What `temper doubts` finds of planted errors, and what `temper next` gains over random rows.

`python benchmarks/data_loop.py --model path/to/all-MiniLM-L6-v2 --mrpc path/to/mrpc --reviews
vaderSentiment-3.3.2.tar.gz`. See docs/data-loop.md. The judge is that of `temper doubts`: linear,
on the vectors of the model before training. Docstrings are sentences of five installed libraries,
with the library as the label; digits are those of scikit-learn, as pixels.
"""

import argparse
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from temper.data_loop import confidence, near_duplicates, selection, vectors
from temper.evaluation import baselines
from temper.inference import RowList

LIBRARIES = ("numpy", "sklearn.linear_model", "torch.nn.modules", "jinja2", "sqlalchemy.orm")
SEEDS = range(5)
FLIPPED, LOOKED_AT = 0.05, 0.08  # shares of the rows
START, PICKED, TEST = 100, 200, 1000  # rows that are labelled, then picked; rows of test
MAX_ROWS = 3000
Data = tuple[Any, np.ndarray, np.ndarray]  # vectors, label ids, groups of near-duplicates


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


def load(name: str, options: argparse.Namespace) -> Data:
    """Return a data set."""
    import time_to_quality

    if name == "digits":
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        pairs = near_duplicates.of_images(digits.data, near_duplicates.IMAGE_SIMILARITY)
        return digits.data / 16, digits.target, pairs.groups()
    if name == "reviews":
        rows = time_to_quality.read_reviews(options.reviews)
        columns, labels = [[row["sentence"] for row in rows]], [row["label"] for row in rows]
    elif name == "docstrings":
        sentences, labels = map(list, zip(*docstrings(), strict=True))
        columns = [sentences]
    else:
        folder = options.mrpc if name == "mrpc" else Path("data/sample")
        rows = time_to_quality.read_csv(folder / "train.csv")
        columns = [[row[column] for row in rows] for column in ("sentence1", "sentence2")]
        labels = [row["label"] for row in rows]
    if name not in ("mrpc", "sample"):
        chosen = np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS]
        columns = [[column[i] for i in chosen] for column in columns]
        labels = [labels[i] for i in chosen]
    pairs = near_duplicates.of_texts(columns, near_duplicates.TEXT_SIMILARITY)
    ids = np.unique(labels, return_inverse=True)[1]
    matrix = baselines.tfidf(columns, {})[0] if name == "sample" else embed(options.model, columns)
    return matrix, ids, pairs.groups()


def planted(data: Data, seed: int) -> tuple[float, float, int]:
    """Return the share of planted errors at the top of the list, the judge's, and the estimate."""
    matrix, labels, groups = data
    random, wrong = np.random.default_rng(seed), labels.copy()
    flipped = random.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    num_labels = labels.max() + 1
    wrong[flipped] += random.integers(1, num_labels, len(flipped))
    wrong %= num_labels
    found = confidence.doubts(matrix, wrong, groups, 5, seed)
    top = np.argsort(found.scores, kind="stable")[: round(LOOKED_AT * len(labels))]
    agreement = float((found.scores >= 0).mean())
    return float(np.isin(flipped, top).mean()), agreement, found.expected


def fitted(matrix: Any, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=confidence.C["dense"], max_iter=300).fit(matrix, labels)


def learned(data: Data, seed: int) -> dict[str, float]:
    """Return the accuracy on test with the first rows alone, and with rows picked by each way."""
    matrix, labels, _ = data
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--mrpc", type=Path)
    parser.add_argument("--reviews", type=Path)
    options = parser.parse_args()
    names = ["digits", "docstrings", "sample"]
    names += [name for name in ("reviews", "mrpc") if getattr(options, name)]
    for name in names:
        data = load(name, options)
        runs = np.array([planted(data, seed) for seed in SEEDS])
        found, spread = runs[:, 0].mean(), runs[:, 0].std(ddof=1)
        print(
            f"{name}: {len(data[1]):,} rows, found {found:.1%} ± {spread:.1%} of the errors in the "
            f"first {LOOKED_AT:.0%}; agreement {runs[:, 1].mean():.1%}, expected errors "
            f"{runs[:, 2].mean():.0f} of {FLIPPED * len(data[1]):.0f} planted",
            flush=True,
        )
        if name == "sample":
            continue
        scores = [learned(data, seed) for seed in SEEDS]
        for way in scores[0]:
            values = [100 * score[way] for score in scores]
            print(f"  {way}: {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}")
        gains = (f"{100 * (score['temper next'] - score['random']):+.1f}" for score in scores)
        print(f"  temper next − random, by seed: {', '.join(gains)}", flush=True)


if __name__ == "__main__":
    main()
