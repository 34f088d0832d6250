"""Rows with their doubts → the list to correct: a CSV file whose empty column asks for a label."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from temper.core import csv_file
from temper.core.errors import InputError
from temper.data_loop import confidence, labels, near_duplicates, records, source_rows, vectors
from temper.data_loop.confidence import Doubts
from temper.data_loop.corrections import CORRECTED, appearing
from temper.data_loop.labels import Spelling
from temper.data_loop.near_duplicates import Pairs
from temper.data_loop.source_rows import Place, Rows
from temper.ingest.text_files import Note
from temper.params.classification import ImageClassification, SequenceClassification
from temper.params.schema import Params

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
    parameters: Params, note: Note, *, folds: int, similarity: float | None, limit: int | None
) -> DoubtList:
    """Rank the training rows, and list those with a likelier label or a near-duplicate of another.

    Args:
        similarity: of near-duplicates, at least; None: that of the kind of input.
        limit: rows to list, at most.

    Raises:
        InputError: the task has no labels of a row, the data cannot be read, or train has fewer
            rows than folds.
    """
    check_task(parameters)
    with source_rows.open_rows(parameters, note) as rows:
        ids = read_labels(parameters, rows, "train")
        if len(ids) < folds:
            raise InputError(f"--folds {folds}: train has {len(ids)} rows; use fewer folds")
        examples = {name: rows.splits["train"][name][:] for name in parameters.task.inputs}
        pairs = near_pairs(parameters, rows, similarity)
        groups = confidence.fold_groups(pairs, len(ids), folds, note)
        (matrix,), judge = vectors.of_splits(parameters, [examples])
        doubts = confidence.doubts(matrix, ids, groups, folds, parameters.data.split.seed)
        return make_list(parameters, rows, doubts, pairs, judge=judge, limit=limit)


def check_task(parameters: Params, command: str = "temper doubts") -> None:
    """Refuse a task whose rows have no labels that could be wrong one by one.

    Raises:
        InputError: names the task.
    """
    task = parameters.task
    if isinstance(task, SequenceClassification) and task.label_probabilities is not None:
        raise InputError(
            f"task.label_probabilities: {command} is for labels, one or several a row; name their "
            "column in task.label"
        )
    is_labelled = isinstance(task, SequenceClassification | ImageClassification)
    if not is_labelled or (task.target or ("", ""))[1] == "number":
        kind = getattr(task, "problem_type", None)
        raise InputError(
            f"task.name: {task.name}{f' ({kind})' if kind else ''}: {command} is for labels of "
            "whole rows: sequence_classification with one or several labels, image_classification"
        )


def read_labels(parameters: Params, rows: Rows, split: str) -> np.ndarray:
    """Return label ids (rows,), or booleans (rows, labels) where a row has several."""
    name, value_type = parameters.task.target or ("", "")
    values: Any = rows.splits[split][name][:]
    if value_type == "class":
        return np.array(values, dtype=int)
    several = np.zeros((len(values), len(source_rows.label_names(parameters, rows))), dtype=bool)
    for row, ids in zip(several, values, strict=True):
        row[list(ids or ())] = True
    return several


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
    return near_duplicates.of_texts(texts, similarity or near_duplicates.TEXT_SIMILARITY)


def in_order(rows: Rows) -> list[str]:
    """Return the names of the splits, train first."""
    return ["train", *(str(name) for name in rows.splits if name != "train")]


def make_list(
    parameters: Params, rows: Rows, doubts: Doubts, pairs: Pairs, *, judge: str, limit: int | None
) -> DoubtList:
    """Choose and describe the rows to list."""
    known = Labels(parameters, rows)
    spelling = known.spelling
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
        suggested = spelling.text(doubts.suggested[row]) if is_doubted else ""
        reasons = [f"{suggested} is likelier"] if is_doubted else []
        if row in conflicts:
            value, other = conflicts[row]
            split, at = known.locate(other)
            where, text = places.describe(split, at), spelling.text(known.ids[other])
            reasons.append(f"near-duplicate ({value:.2f}) of {where} in {split}, which is {text}")
        place = rows.place("train", row)
        current, reason = spelling.text(known.ids[row]), "; ".join(reasons)
        found.append(
            Doubt(place, places.line(place), current, suggested, round(score, 6), reason, row_cells)
        )
    return DoubtList(
        rows=found,
        num_doubted=len(doubted),
        num_rows=len(order),
        expected=doubts.expected,
        agreement=float((doubts.scores >= 0).mean()),
        judge=judge,
    )


class Labels:
    """The label ids of all rows, train's first, then the other splits'."""

    def __init__(self, parameters: Params, rows: Rows):
        self.parameters, self.splits = parameters, in_order(rows)
        written = labels.written(parameters) if parameters.data.source == "files" else {}
        names = source_rows.label_names(parameters, rows)
        self.spelling = Spelling(parameters.task, names, written)
        self.ids: list[list[int]] = []
        self.starts: list[int] = []
        name = (parameters.task.target or ("",))[0]
        for split in self.splits:
            self.starts.append(len(self.ids))
            for value in rows.splits[split][name][:]:
                ids = value if isinstance(value, list) else [value]
                self.ids.append([] if value in (None, -1) else ids)

    def locate(self, row: int) -> tuple[str, int]:
        """Return the split of a row and its number there."""
        at = max(i for i, start in enumerate(self.starts) if start <= row)
        return self.splits[at], row - self.starts[at]

    def conflict(self, row: int, pairs: Pairs) -> tuple[float, int] | None:
        """Return the likest row with other labels, and its similarity; None: there is none."""
        found = (pair for pair in pairs.of_row(row) if self.ids[pair[1]] not in ([], self.ids[row]))
        return next(found, None)


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


def write(rows: Iterable[Doubt], target: Path) -> None:
    """Write the list; a column of the data that is called like one of the list gets `data_`."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row.cells)
    titles = [f"data_{name}" if name in COLUMNS else name for name in names]
    with (
        appearing(target) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv_file.writer(file)
        writer.writerow([*COLUMNS, *titles])
        writer.writerows(_cells(rows, list(names)))


def _cells(rows: Sequence[Doubt], names: Sequence[str]) -> Iterator[list[Any]]:
    for row in rows:
        known = ["", row.current, row.suggested, row.score, row.reason, row.place.file]
        yield [*known, row.place.row, row.line, *(row.cells.get(name) for name in names)]
