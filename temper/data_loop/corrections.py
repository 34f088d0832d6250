"""A corrected list → a copy of the data in which some labels are others, and nothing else is.

Where validation or test is cut from train, by label, other labels would cut it elsewhere: then each
split as it is now becomes a file of its own, so that a model before and one after the corrections
are scored on the same rows.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError
from temper.data_loop import edits, labels, source_rows
from temper.data_loop.edits import Edit
from temper.data_loop.labels import Spelling
from temper.data_loop.row_labels import DOUBTS, check_task
from temper.data_loop.source_rows import Place, Rows
from temper.ingest import columns, local_files
from temper.params.data import DataParams
from temper.params.schema import Params
from temper.params.task import TokenClassification

PLAIN = re.compile(r"[A-Za-z0-9_/.-]+")  # what Hydra reads as a text without quotes
CORRECTED = "corrected_label"
NEEDED = (CORRECTED, "current_label", "file", "row")


@dataclass(frozen=True)
class Correction:
    """One line of the list with a corrected label."""

    where: str  # in the list
    place: Place
    current: str
    corrected: str


def read(path: Path) -> list[Correction]:
    """Read the lines of a list that have a corrected label.

    Raises:
        InputError: it is no list that `temper doubts` wrote, or names a row twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; temper doubts writes one")
    found: dict[Place, Correction] = {}
    for member, batches in local_files.read_members(path, None, str):
        first = 0
        for batch in batches:
            cells = [columns.get_column(batch, name, str(path)) for name in NEEDED]
            for i, values in enumerate(zip(*cells, strict=True)):
                texts = ("" if value is None else str(value).strip() for value in values)
                corrected, current, file, row = texts
                where = f"{member} row {first + i + 1}"
                if corrected:
                    place = Place(file, _number(row, where))
                    if place in found:
                        raise InputError(f"{where}: {place} is also in {found[place].where}")
                    found[place] = Correction(where, place, current, corrected)
            first += columns.num_rows(batch)
    return list(found.values())


def _number(text: str, where: str) -> int:
    try:
        return int(float(text))  # a spreadsheet may write 12.0
    except ValueError:
        raise InputError(f"{where}: row {text!r}: no number; leave it as it was") from None


def apply(parameters: Params, path: Path) -> tuple[int, dict[str, Path]]:
    """Write the copy; return how many rows differ in it, and its files or folders by split.

    Raises:
        InputError: a mistake in the list, data that have changed since it was written, or a copy
            that is already there.
    """
    data = parameters.data
    check_task(parameters, f"{DOUBTS} --apply")
    if data.source == "hub":
        raise InputError(
            "--apply: the data are the Hub's (data.source: hub), and it writes copies of local "
            "files; download them, name them under data.files, and run temper doubts again"
        )
    corrections = read(path)
    if not corrections:
        raise InputError(f"{path}: its column {CORRECTED} is empty; fill in the labels")
    files = local_files.find_files(data.files["train"], "train", data.glob)
    for file in files:
        edits.check(file)
    with source_rows.open_rows(with_all_rows(parameters), str) as rows:
        split_of = splits_of_train(rows)
    changes = changes_by_file(parameters, corrections, {str(file) for file in files})
    if not changes:
        raise InputError(f"{path}: each {CORRECTED} is the label that the row has; none to correct")
    return sum(map(len, changes.values())), write_copies(data, files, split_of, changes)


def write_copies(
    data: DataParams,
    files: list[Path],
    split_of: dict[str, dict[int, str]],
    changes: dict[str, dict[int, edits.Change]],
) -> dict[str, Path]:
    """Write a changed copy of train's files, or a copy per split; return all, or leave none.

    Raises:
        InputError: a copy is already there.
    """
    found = {split for by_row in split_of.values() for split in by_row.values()}
    splits = [split for split in ("train", "validation", "test") if split in found]
    root, is_cut = Path(data.files["train"]), len(splits) > 1
    targets = {split: target_of(root, split if is_cut else "corrected") for split in splits}
    for target in targets.values():
        if target.exists():
            raise InputError(f"{target} is there already; remove it, and apply again")
    places = edits.image_places(files, root, changes) if root.is_dir() else {}
    appearing = artifacts.atomic_dir if root.is_dir() else artifacts.atomic_file
    with ExitStack() as all_or_none:
        for split, target in targets.items():
            written = all_or_none.enter_context(appearing(target))
            for file in files:
                kept = {row for row, other in split_of[str(file)].items() if other == split}
                edit = Edit(kept, changes.get(str(file), {}))
                copied = written / places[file] if root.is_dir() else written
                edits.copy(file, copied, edit, data.csv)
    return targets


def with_all_rows(parameters: Params) -> Params:
    """Return parameters that leave out no row; rows are cut from train before any are left out."""
    data, task = parameters.data, parameters.task
    if (
        data.filter is not None
        and data.filter.labels is not None
        and "-1" not in (task.classes or ())
    ):
        task = task.model_copy(update={"labels": None})  # which lacks the labels that are dropped
    whole = data.model_copy(update={"filter": None, "subset": None, "overlap": "report"})
    return parameters.model_copy(update={"data": whole, "task": task})


def target_of(root: Path, tag: str) -> Path:
    """Return a copy's name: reviews.csv → reviews.corrected.csv, photos → photos.corrected."""
    stem, suffix = (root.stem, root.suffix) if root.is_file() else (root.name, "")
    return root.with_name(f"{stem}.{tag}{suffix}")


def splits_of_train(rows: Rows) -> dict[str, dict[int, str]]:
    """Return the split that each row of train's files is in, by file and number: train or cut."""
    found: dict[str, dict[int, str]] = {}
    own = rows.sources["train"]
    for split in (str(name) for name in rows.splits if rows.sources[str(name)] is own):
        for row in range(len(rows.splits[split])):
            place = rows.place(split, row)
            found.setdefault(place.file, {})[place.row] = split
    return found


def changes_by_file(
    parameters: Params, corrections: list[Correction], files: set[str]
) -> dict[str, dict[int, edits.Change]]:
    """Return what changes in each row of each file, checked against what is there now.

    A row that has its corrected label already is left out.

    Raises:
        InputError: a row that train does not have, or whose label is another now, or an unknown
            label.
    """
    parameters = with_all_rows(parameters)
    written = labels.written(parameters)
    spelling = Spelling(parameters.task, list(written), {})
    found: dict[str, dict[int, edits.Change]] = {}
    wanted = {correction.place: correction for correction in corrections}
    cells = source_rows.cells_at(
        parameters.data, {place for place in wanted if place.file in files}
    )
    for place, correction in wanted.items():
        if place not in cells:
            raise InputError(f"{correction.where}: train has no {place}; was the file changed?")
        now = labels.read(parameters.task, source_rows.renamed(cells[place], parameters))
        if not spelling.are_same(now, correction.current):
            raise InputError(
                f"{correction.where}: {place} has the label {spelling.join(now)!r} and not "
                f"{correction.current!r}: the file was changed; run temper doubts again"
            )
        names = spelling.parse(correction.corrected, correction.where)
        if isinstance(parameters.task, TokenClassification):
            labels.check_tags(now, names, parameters.task.scheme, correction.where)
        if now != names and (not spelling.has_several or set(now) != set(names)):
            change = make_change(parameters, names, written)
            found.setdefault(place.file, {})[place.row] = change
    return found


def make_change(parameters: Params, names: list[str], written: Mapping[str, Any]) -> edits.Change:
    """Return what gives a row these labels, under the names that its file has for columns."""
    originals = {new: old for old, new in (parameters.data.rename or {}).items()}

    def change(cells: Mapping[str, Any]) -> dict[str, Any]:
        renamed = source_rows.renamed(cells, parameters)
        found = labels.changed(parameters.task, renamed, names, written)
        return {originals.get(name, name): value for name, value in found.items()}

    return change


def next_steps(targets: Mapping[str, Path]) -> Iterator[str]:
    """Yield what to run to see what the corrections changed."""
    if len(targets) > 1:
        cut = " and ".join(name for name in targets if name != "train")
        yield f"{cut}, which data.split cut from train, are files now: the same rows as before"
    options = [
        f"-S {override(f'data.files.{split}', str(path))}" for split, path in targets.items()
    ]
    yield f"next   dvc exp run {' '.join(options)}"
    yield "       temper compare HEAD workspace"


def override(key: str, value: str) -> str:
    """Return what sets a key to a text in `dvc exp run -S`, quoted for Hydra and the shell."""
    if not PLAIN.fullmatch(value):
        value = "'" + re.sub(r"(\\*)(?='|$)", r"\1\1", value).replace("'", "\\'") + "'"
    return shlex.quote(f"++{key}={value}")
