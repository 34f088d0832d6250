"""Training rows → more rows: each a changed text of one of them, all else as it was.

What a row becomes depends on (seed, row, method), never on the other rows. `words` changes words,
`translation` goes through another language.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

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

# A method's place here is part of its draws, so a new one goes last.
METHODS = ("synonyms", "swap", "delete", "characters", "back_translation", "exchange")

Rewrite = Callable[[Sequence[str], Sequence[np.random.Generator]], list[str]]
Pick = tuple[int, str, np.random.Generator]  # a row to copy, the column to change, its draw


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to change texts."""

    name: str
    rate: float  # made rows per row
    rewrite: Rewrite | None  # None: the texts of a pair change places


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Everything that makes rows.

    Args:
        columns: those that hold texts; each made row changes one of them.
        seed: of the draws.
        methods: in the order their rows come.
    """

    columns: Sequence[str]
    seed: int
    methods: Sequence[Method]
    wanted: Counter = field(default_factory=Counter)
    made: Counter = field(default_factory=Counter)

    def report(self) -> dict[str, dict[str, int]]:
        """Return how many rows each method was to make, and how many it made."""
        return {
            method.name: {"wanted": self.wanted[method.name], "made": self.made[method.name]}
            for method in self.methods
        }


def build_augmentation(
    p: TokenizeParams, columns: Sequence[str], translators: Path
) -> Augmentation | None:
    """Return what `tokenize.augment` asks for, or None where it is off.

    Args:
        p: the group.
        columns: that hold texts.
        translators: the folder of the fetched models.

    Raises:
        InputError: a word list or a model is not what it has to be.
    """
    if p.augment is None:
        return None
    methods = [
        Method(
            name=name,
            rate=method.rate,
            rewrite=make_rewrite(name, method, p.synonym_files, translators),
        )
        for name, method in p.augment.methods.items()
    ]
    return Augmentation(columns=columns, seed=p.augment.seed, methods=methods)


def make_rewrite(
    name: str, p: AugmentMethod, files: Mapping[str, str], translators: Path
) -> Rewrite | None:
    """Return a method's function from texts and their draws to changed texts."""
    if not isinstance(p, WordChange | BackTranslation):
        return None
    if isinstance(p, BackTranslation):
        from temper.augmentation import back_translation

        return back_translation.build_back_translation(p, translators)
    if isinstance(p, Synonyms):
        change = words.build_synonyms(words.read_synonyms(Path(files[p.file])))
    else:
        change = {"swap": words.swap, "delete": words.delete, "characters": words.characters}[name]
    share = p.share
    return partial(each, lambda text, draw: words.rewrite(text, change, share, draw))


def each(
    rewrite: Callable[[str, np.random.Generator], str],
    texts: Sequence[str],
    draws: Sequence[np.random.Generator],
) -> list[str]:
    return [rewrite(text, draw) for text, draw in zip(texts, draws, strict=True)]


def batches(dataset: Any, augmentation: Augmentation) -> Iterator[dict[str, list]]:
    """Yield a split's rows as columns, then the made ones method by method, marked as such."""
    for examples in arrow.column_batches(dataset):
        yield examples | {arrow.AUGMENTED: [False] * size_of(examples)}
    for method in augmentation.methods:
        first = 0
        for examples in arrow.column_batches(dataset):
            made = made_rows(examples, first, method, augmentation)
            if size_of(made):
                yield made
            first += size_of(examples)


def made_rows(
    examples: Mapping[str, list], first: int, method: Method, augmentation: Augmentation
) -> dict[str, list]:
    """Return the rows a method makes of a batch, and count them; what is no new text is left out.

    Args:
        examples: columns of raw rows.
        first: number of the first row.
        method: changes the texts.
        augmentation: of the method.
    """
    picks = list(draw_rows(examples, first, method, augmentation))
    made: dict[str, list] = {name: [] for name in (*examples, arrow.AUGMENTED)}
    columns = augmentation.columns
    seen = {(row, *(examples[column][row] for column in columns)) for row, *_ in picks}
    for row, changed in changes(examples, picks, method, columns):
        texts = [changed.get(column, examples[column][row]) for column in columns]
        if not all(changed[column].strip() for column in changed) or (row, *texts) in seen:
            continue
        seen.add((row, *texts))
        for name, values in made.items():
            values.append(
                True if name == arrow.AUGMENTED else changed.get(name, examples[name][row])
            )
    augmentation.wanted[method.name] += len(picks)
    augmentation.made[method.name] += size_of(made)
    return made


def changes(
    examples: Mapping[str, list], picks: Sequence[Pick], method: Method, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield for each pick its row and the texts that change, by column."""
    if method.rewrite is None:
        one, other = columns
        for row, *_ in picks:
            yield row, {one: examples[other][row], other: examples[one][row]}
        return
    texts = method.rewrite([examples[c][row] for row, c, _ in picks], [draw for *_, draw in picks])
    for (row, column, _), text in zip(picks, texts, strict=True):
        yield row, {column: text}


def draw_rows(
    examples: Mapping[str, list], first: int, method: Method, augmentation: Augmentation
) -> Iterator[Pick]:
    """Yield for each row to make its original, the column to change and its draw."""
    for row in range(size_of(examples)):
        draw = np.random.default_rng((augmentation.seed, first + row, METHODS.index(method.name)))
        copies = int(method.rate) + int(draw.random() < method.rate % 1)
        for _ in range(copies):
            yield row, augmentation.columns[int(draw.integers(len(augmentation.columns)))], draw


def size_of(columns: Mapping[str, list]) -> int:
    return len(next(iter(columns.values())))
