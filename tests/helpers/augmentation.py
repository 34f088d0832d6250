"""Parameters that augment half of the training rows."""

from pathlib import Path

import numpy as np

from temper import augmentation
from temper.augmentation import words
from temper.core import arrow, artifacts
from temper.tasks.base.arrays import as_rows

TEXT = "Anna, who left Oslo early,\n  opened eleven heavy boxes."
HALF = {"rate": 0.5, "share": 0.2}
BACK = {
    "rate": 1.0,
    "there": "there",
    "back": "back",
    "there_prefix": "",
    "back_prefix": "",
    "source_lang": None,
    "target_lang": None,
    "max_new_tokens": 8,
    "num_beams": 1,
    "batch_size": 4,
}


def draws(count=200):
    return [np.random.default_rng((1, i)) for i in range(count)]


def changed(change, text=TEXT, share=0.2):
    return [words.rewrite(text, change, share, draw) for draw in draws()]


def made_of(rows, **rates):
    """Return all rows, augmented ones last, of a table with two texts, by method."""
    methods = {"swap": words.swap, "delete": words.delete}
    one = augmentation.Augmentation(
        columns=("a", "b"),
        seed=3,
        methods=[
            augmentation.Method(
                name=name,
                rate=rate,
                rewrite=lambda texts, found, change=methods[name]: [
                    words.rewrite(text, change, 0.2, draw)
                    for text, draw in zip(texts, found, strict=True)
                ],
            )
            for name, rate in rates.items()
        ],
    )
    from datasets import Dataset

    batches = list(augmentation.batches(Dataset.from_list(rows), one))
    return [row for batch in batches for row in as_rows(batch)], one


def columns(count):
    return [
        {"id": i, "a": f"row {i} has some words", "b": f"and {i} has others too"}
        for i in range(count)
    ]


def augment(**methods):
    return {"seed": 5} | methods


def tokenized(prepare, **changes):
    """Return the tokenized splits and the report of changed parameters."""
    prepare(**changes)
    folder = Path("data/tokenized")
    return arrow.load(folder), artifacts.read_json(folder / "report.json")
