"""Rows with their doubts → the list to correct: a CSV file whose empty column asks for a label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from temper.core import artifacts, csv_file
from temper.core.errors import InputError
from temper.data_loop import (
    confidence,
    linear_judge,
    near_duplicates,
    records,
    source_rows,
    vectors,
)
from temper.data_loop.confidence import Decode, Doubts, LabelIds
from temper.data_loop.corrections import CORRECTED
from temper.data_loop.near_duplicates import Pairs
from temper.data_loop.row_labels import DOUBTS, Labels, check_task, in_order
from temper.data_loop.source_rows import Place, Rows
from temper.ingest.text_files import Note
from temper.params.schema import Params
from temper.params.task import TokenClassification
from temper.tasks.base.tags import viterbi_path

Judge = Literal["linear", "trained"]
TINY = 1e-12  # in place of a probability of 0
WORDS_NAMED = 5  # of a row with tags, at most
COLUMNS = (CORRECTED, "current_label", "suggested_label", "score", "reason", "file", "row", "line")


@dataclass(frozen=True)
class Doubt:
    """A row of the list."""

    place: Place
    line: int | None
    current: str
    suggested: str  # "": the current one is the likeliest
    score: float
    reason: str
    cells: Mapping[str, Any]  # the row's columns as its file has them


@dataclass(frozen=True)
class DoubtList:
    """The list, the most doubtful row first, and what it was made of."""

    rows: list[Doubt]
    num_doubted: int  # rows that would be listed without a limit
    num_rows: int  # of train
    expected: int
    agreement: float  # share of the labels that are the likeliest ones
    judge: str  # whose probabilities they are


def find(
    parameters: Params,
    note: Note,
    *,
    judge: Judge,
    folds: int,
    similarity: float | None,
    limit: int | None,
) -> DoubtList:
    """Rank the training rows, and list those with a likelier label or a near-duplicate of another.

    Args:
        similarity: of near-duplicates, at least; None: that of the kind of input.
        limit: rows to list, at most.

    Raises:
        InputError: the task has no labels of a row, or none that the judge judges; the data cannot
            be read; or train has fewer rows than folds.
    """
    check_task(parameters, DOUBTS)
    if judge == "linear" and isinstance(parameters.task, TokenClassification):
        raise InputError(
            "--judge linear: it judges whole rows by a vector each, and the rows have a tag per "
            "word; use --judge trained"
        )
    vectors.check_base(parameters, vectors.BASE)
    with source_rows.open_rows(parameters, note) as rows:
        known = Labels(parameters, rows)
        ids = known.of_train()
        if len(ids) < folds:
            raise InputError(f"--folds {folds}: train has {len(ids)} rows; use fewer folds")
        pairs = near_pairs(parameters, rows, similarity)
        groups = confidence.fold_groups(pairs, len(ids), folds, note)
        fold = confidence.fold_of(ids, groups, folds, parameters.data.split.seed)
        probabilities, judged_by = ask(judge, parameters, rows, ids, fold, note)
        if isinstance(ids, np.ndarray):
            doubts = confidence.rank(probabilities, ids)
        else:
            doubts = confidence.tags(probabilities, ids, decoder(parameters, rows))
        return make_list(known, doubts, pairs, judged_by, limit)


def ask(
    judge: Judge, parameters: Params, rows: Rows, ids: LabelIds, fold: np.ndarray, note: Note
) -> tuple[np.ndarray, str]:
    """Return the probabilities of a judge, as `confidence` takes them, and its description."""
    if judge == "trained":
        from temper.data_loop import trained_judge

        probabilities = trained_judge.out_of_fold(parameters, rows, fold, note)
        return probabilities, f"{parameters.model.name}\ntrained with params.yaml"
    examples = {name: rows.splits["train"][name][:] for name in parameters.task.inputs}
    (matrix,), vectors_of = vectors.of_splits(parameters, [examples])
    assert isinstance(ids, np.ndarray), "tags have no linear judge"
    return linear_judge.out_of_fold(matrix, ids, fold), f"a linear model\non {vectors_of}"


def near_pairs(parameters: Params, rows: Rows, similarity: float | None) -> Pairs:
    """Find near-duplicates among the rows of all splits, train's first, then the others'."""
    task = parameters.task
    splits = in_order(rows)
    if "image" in task.inputs.values():
        name = next(iter(task.inputs))
        images = [data for split in splits for data in rows.splits[split][name][:]]
        thumbnails = np.stack([vectors.thumbnail(data) for data in images])
        return near_duplicates.of_images(thumbnails, similarity or near_duplicates.IMAGE_SIMILARITY)
    columns = {n: [v for split in splits for v in rows.splits[split][n][:]] for n in task.inputs}
    texts = [list(column) for column in task.read_texts(columns).values()]
    if isinstance(task, TokenClassification):
        texts = [[" ".join(words) for words in column] for column in texts]
    return near_duplicates.of_texts(texts, similarity or near_duplicates.TEXT_SIMILARITY)


def make_list(
    known: Labels, doubts: Doubts, pairs: Pairs, judge: str, limit: int | None
) -> DoubtList:
    """Choose and describe the rows to list."""
    parameters, rows, spelling = known.parameters, known.rows, known.spelling
    conflicts = {
        row: other
        for row in range(len(doubts.scores))
        if (other := known.conflict(row, pairs)) is not None
    }
    order = np.argsort(doubts.scores, kind="stable").tolist()
    doubted = [row for row in order if doubts.scores[row] < 0 or row in conflicts]
    chosen = doubted[:limit]
    places = Places(parameters, rows)
    cells = source_rows.read_cells(parameters, rows, "train", chosen)
    found = []
    for row, row_cells in zip(chosen, cells, strict=True):
        is_doubted, score = doubts.scores[row] < 0, float(doubts.scores[row])
        differs = is_doubted and doubts.suggested[row] != known.ids[row]  # a scheme may refuse it
        suggested = spelling.text(doubts.suggested[row]) if differs else ""
        reasons = [reason(known, doubts, row)] if is_doubted else []
        if row in conflicts:
            reasons.append(conflict_reason(known, places, *conflicts[row]))
        place = rows.place("train", row)
        current, why = spelling.text(known.ids[row]), "; ".join(reasons)
        found.append(
            Doubt(place, places.line(place), current, suggested, round(score, 6), why, row_cells)
        )
    return DoubtList(
        rows=found,
        num_doubted=len(doubted),
        num_rows=len(order),
        expected=doubts.expected,
        agreement=doubts.agreement,
        judge=judge,
    )


class Places:
    """The lines of rows; each file is read once."""

    def __init__(self, parameters: Params, rows: Rows):
        self.csv, self.rows = parameters.data.csv, rows
        self.lines: dict[str, list[int]] = {}

    def line(self, place: Place) -> int | None:
        if place.file not in self.lines:
            is_file = not place.file.startswith(str(source_rows.RAW))
            self.lines[place.file] = records.first_lines(place.file, self.csv) if is_file else []
        lines = self.lines[place.file]
        return lines[place.row - 1] if lines else None

    def describe(self, split: str, row: int) -> str:
        place = self.rows.place(split, row)
        line = self.line(place)
        return f"{place.file}:{line}" if line is not None else str(place)


def conflict_reason(known: Labels, places: "Places", value: float, other: int) -> str:
    """Say where a near-duplicate with other labels is."""
    split, at = known.locate(other)
    where, text = places.describe(split, at), known.spelling.text(known.ids[other])
    return f"near-duplicate ({value:.2f}) of {where} in {split}, which is {text}"


def reason(known: Labels, doubts: Doubts, row: int) -> str:
    """Say which label is likelier, or which words have likelier tags, the least believed first."""
    if doubts.words is None:
        return f"{known.spelling.text(doubts.suggested[row])} is likelier"
    scores, likeliest = doubts.words.scores[row], doubts.words.likeliest[row]
    words, names = known.words(row), known.spelling.names
    doubted = [word for word in np.argsort(scores, kind="stable").tolist() if scores[word] < 0]
    found = [
        f"word {word + 1} {words[word]!r} is {names[known.ids[row][word]]}, and "
        f"{names[likeliest[word]]} is likelier ({scores[word]:.2f})"
        for word in doubted[:WORDS_NAMED]
    ]
    more = len(doubted) - len(found)
    return "; ".join(found) + (f"; and {more} more" if more else "")


def decoder(parameters: Params, rows: Rows) -> Decode:
    """Return what makes tags that follow the scheme of the probabilities of a row's words."""
    names = source_rows.label_names(parameters, rows)
    scheme = getattr(parameters.task, "scheme", "")
    return lambda p: viterbi_path(np.log(np.maximum(p, TINY)), names, scheme)


def write(rows: Sequence[Doubt], target: Path) -> None:
    """Write the list; a column of the data that is called like one of the list gets `data_`."""
    names = dict.fromkeys(name for row in rows for name in row.cells)
    titles = [f"data_{name}" if name in COLUMNS else name for name in names]
    with (
        artifacts.atomic_file(target) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv_file.writer(file)
        writer.writerow([*COLUMNS, *titles])
        for row in rows:
            known = ["", row.current, row.suggested, row.score, row.reason, row.place.file]
            cells = (row.cells.get(name) for name in names)
            writer.writerow([*known, row.place.row, row.line, *cells])
