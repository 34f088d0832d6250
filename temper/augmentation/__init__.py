"""Training rows → augmented rows: copies with one changed text, all other columns unchanged.

The result for a row depends only on (seed, row number, method), not on other rows. `words` changes
words, `back_translation` translates to another language and back.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from temper.augmentation import words
from temper.core import arrow
from temper.params.tokenize import (
    AugmentMethod,
    BackTranslation,
    Synonyms,
    TokenizeParams,
    WordChange,
)

if TYPE_CHECKING:
    from datasets import Dataset

# A method's position here seeds its draws: append new methods at the end.
METHODS = ("synonyms", "swap", "delete", "characters", "back_translation", "exchange")

Columns = Mapping[str, list[Any]]
Rewrite = Callable[[Sequence[str], Sequence[np.random.Generator]], list[str]]


class Draw(NamedTuple):
    """One augmented row to create."""

    row: int  # position of the original in its batch
    column: str  # whose text is to change
    rng: np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to change texts."""

    name: str
    rate: float  # augmented rows per original row
    rewrite: Rewrite | None  # None: swap the two texts of a pair
    counts: Counter[str] = field(default_factory=Counter)  # rows `wanted`, and `made` of them


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """All methods that are on."""

    columns: Sequence[str]  # of texts; each augmented row changes one of them
    seed: int  # of all draws
    methods: Sequence[Method]  # in the order of their rows

    def report(self) -> dict[str, dict[str, int]]:
        """Return by method the number of rows requested (`wanted`) and added (`made`)."""
        return {method.name: dict(method.counts) for method in self.methods}


def build_augmentation(
    p: TokenizeParams, columns: Sequence[str], translators: Path
) -> Augmentation | None:
    """Set up `tokenize.augment`; None if it is off.

    Raises:
        InputError: a synonym file or a translation model cannot be used.
    """
    if p.augment is None:
        return None
    methods = [
        Method(name=name, rate=method.rate, rewrite=build_rewrite(name, method, p, translators))
        for name, method in p.augment.methods.items()
    ]
    return Augmentation(columns=columns, seed=p.augment.seed, methods=methods)


def build_rewrite(
    name: str, method: AugmentMethod, p: TokenizeParams, translators: Path
) -> Rewrite | None:
    """Return a method's function from texts and their generators to changed texts."""
    if isinstance(method, BackTranslation):
        from temper.augmentation import back_translation

        return back_translation.build_back_translation(method, translators)
    if not isinstance(method, WordChange):
        return None
    if isinstance(method, Synonyms):
        change = words.build_synonyms(words.read_synonyms(Path(p.synonym_files[method.file])))
    else:
        change = {"swap": words.swap, "delete": words.delete, "characters": words.characters}[name]
    return partial(words.rewrite_all, change, method.share)


def raw_batches(dataset: "Dataset", augment: Augmentation | None) -> Iterator[dict[str, list]]:
    """Yield raw columns batch by batch, augmented rows last, with a progress bar."""
    from tqdm import tqdm

    found, total = arrow.column_batches(dataset), len(dataset)
    if augment is not None:
        found = batches(dataset, augment)
        total += sum(round(method.rate * len(dataset)) for method in augment.methods)
    with tqdm(total=total, leave=False, disable=None, unit=" rows") as bar:
        for batch in found:
            yield batch
            bar.update(num_rows(batch))


def batches(dataset: "Dataset", augmentation: Augmentation) -> Iterator[dict[str, list[Any]]]:
    """Yield a split's rows as columns, then the augmented rows method by method, marked as such."""
    for examples in arrow.column_batches(dataset):
        yield examples | {arrow.AUGMENTED: [False] * num_rows(examples)}
    for method in augmentation.methods:
        first_row = 0
        for examples in arrow.column_batches(dataset):
            augmented = augment_batch(examples, first_row, method, augmentation)
            if num_rows(augmented):
                yield augmented
            first_row += num_rows(examples)


def augment_batch(
    examples: Columns, first_row: int, method: Method, augmentation: Augmentation
) -> dict[str, list[Any]]:
    """Return a method's augmented rows of a batch, and count them.

    A row is dropped if a changed text is empty, or if it equals its original or an earlier
    augmented row of the same original.
    """
    columns = augmentation.columns
    draws = list(draw_rows(examples, first_row, method, augmentation))
    seen = {(draw.row, *(examples[column][draw.row] for column in columns)) for draw in draws}
    rows = []
    for draw, changed in zip(draws, change_texts(examples, draws, method, columns), strict=True):
        row = {name: values[draw.row] for name, values in examples.items()} | changed
        key = (draw.row, *(row[column] for column in columns))
        if all(text.strip() for text in changed.values()) and key not in seen:
            seen.add(key)
            rows.append(row | {arrow.AUGMENTED: True})
    method.counts.update(wanted=len(draws), made=len(rows))
    return {name: [row[name] for row in rows] for name in (*examples, arrow.AUGMENTED)}


def change_texts(
    examples: Columns, draws: Sequence[Draw], method: Method, columns: Sequence[str]
) -> list[dict[str, str]]:
    """Return for each draw the texts that change, by column."""
    if method.rewrite is None:
        first, second = columns
        return [{first: examples[second][d.row], second: examples[first][d.row]} for d in draws]
    originals = [examples[draw.column][draw.row] for draw in draws]
    texts = method.rewrite(originals, [draw.rng for draw in draws])
    return [{draw.column: text} for draw, text in zip(draws, texts, strict=True)]


def draw_rows(
    examples: Columns, first_row: int, method: Method, augmentation: Augmentation
) -> Iterator[Draw]:
    """Draw for each row how many augmented rows to create, and which column of each to change."""
    columns = augmentation.columns
    for row in range(num_rows(examples)):
        seed = (augmentation.seed, first_row + row, METHODS.index(method.name))
        rng = np.random.default_rng(seed)
        for _ in range(int(method.rate) + int(rng.random() < method.rate % 1)):
            yield Draw(row, columns[int(rng.integers(len(columns)))], rng)


def num_rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))
