"""The local data of params.yaml → its mistakes in columns, rows, labels and splits, and its counts.

Reads each split once, a batch in memory at a time, with the readers that download uses.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from temper.check import label_checks
from temper.check.findings import Findings
from temper.core.errors import nearest
from temper.ingest import dataset, labels, readers, row_selection
from temper.ingest.split_stats import SplitStats, scan_split
from temper.params import rules
from temper.params.schema import Params
from temper.params.task import TaskParams

WINDOWED = ("question_answering", "causal_lm", "masked_lm")  # not a row of a batch for each of data


def check(parameters: Params, findings: Findings) -> None:
    """Note what is wrong with the files of each split, and what their rows are."""
    data, task = parameters.data, parameters.task
    files: dict[str, list[Path]] = {}
    columns: dict[str, list[str]] = {}
    for split, name in data.files.items():
        with findings.at(f"data.files.{split}"):
            files[split] = readers.find_files(name, split, data.glob)
            batches = iter([{column: [] for column in readers.column_names(files[split][0])}])
            with findings.named("data.rename"):
                columns[split] = list(next(dataset.rename_columns(batches, task, data, split), {}))
    before = len(findings.mistakes)
    with findings.named("data"):
        row_selection.check_split_names(data.files, data)
    fits = len(findings.mistakes) == before
    lacking = check_columns(parameters, columns, findings)
    stats: dict[str, SplitStats] = {}
    for split in columns:
        with findings.at(f"data.files.{split}", f"{data.files[split]}: "):
            batches = read(files[split], split, lacking[split], parameters)
            stats[split] = scan_split(batches, task, data, split)
    rows: row_selection.Selection = {}
    filtered: dict[str, int] = {}
    if "train" in stats and fits:
        with findings.named("data.split"):
            rows, filtered = row_selection.select_rows(stats, task, data)
    if any(found.counts for found in stats.values()):
        plain = {split: found.counts for split, found in stats.items()}
        counts = row_selection.label_counts(stats, rows, data) if rows else plain
        counts = {split: found for split, found in counts.items() if stats[split].labelled}
        label_checks.check(parameters, counts, findings)
    if "train" not in stats:
        return
    name = task.target[0] if task.target else None
    if name and not stats["train"].labelled and name in columns["train"]:
        findings.add(
            key_of(task, name),
            f"column {name!r} of {data.files['train']} holds no label; all are empty, null or -1",
        )
    if rows:
        check_splits(parameters, stats, rows, findings)
    if filtered:
        dropped = ", ".join(f"{count:,} of {split}" for split, count in filtered.items())
        findings.facts["filter"] = f"leaves out {dropped}"


def check_columns(
    parameters: Params, columns: dict[str, list[str]], findings: Findings
) -> dict[str, list[str]]:
    """Note each column that splits lack; return them by split. Only train must have labels."""
    task, data = parameters.task, parameters.data
    wanted = [(key_of(task, name), name, list(columns)) for name in task.inputs]
    wanted += [("data.extra_columns", name, list(columns)) for name in data.extra_columns]
    if data.split.group is not None:
        wanted.append(("data.split.group", data.split.group, ["train"]))
    if task.target is not None:
        wanted += [(key_of(task, task.target[0]), task.target[0], ["train"])]
    lacking: dict[str, list[str]] = {split: [] for split in columns}
    for key, name, in_splits in wanted:
        within = name.split(".")[0]  # a.b stands inside of a
        without = [s for s in in_splits if s in columns and not {name, within} & set(columns[s])]
        for split in without:
            if task.target is None or name != task.target[0]:
                lacking[split].append(name)
        if without:
            found = columns[without[0]]
            places = ", ".join(f"{split} ({data.files[split]})" for split in without)
            findings.add(
                key,
                f"no column {name!r} in {places}{nearest(name, found)}; "
                f"{without[0]} has {', '.join(found)}",
            )
    return lacking


def key_of(task: TaskParams, column: str) -> str:
    """Return the key of params.yaml that names a column, or holds its name in a list."""
    for key in type(task).model_fields:
        value = getattr(task, key)
        if value == column or (isinstance(value, tuple) and column in value and key != "labels"):
            return f"task.{key}"
    return "task"


def read(
    files: list[Path], split: str, lacking: list[str], parameters: Params
) -> Iterator[readers.ColumnBatch]:
    """Yield a split's batches, columns it lacks filled in, so that the rest is still checked.

    Raises:
        InputError: a broken row, or with regression a label that is not a number.
    """
    task, data, start = parameters.task, parameters.data, 0
    numbers = labels.LabelEncoder(task, None)
    found = (columns for file in files for columns in readers.read(file))
    for columns in dataset.rename_columns(found, task, data, split):
        size = len(next(iter(columns.values()), []))
        if task.target and task.target[1] == "number":
            values = columns.get(task.target[0], [])
            numbers.encode(values, split, range(start, start + len(values)))
        start += size
        empty = {name: "?" if name == data.split.group else "" for name in lacking}
        yield columns | {name: [value] * size for name, value in empty.items()}


def check_splits(
    parameters: Params,
    stats: dict[str, SplitStats],
    rows: row_selection.Selection,
    findings: Findings,
) -> None:
    """Note rows in two splits and a missing validation where these matter; count the rows."""
    p, data = parameters.train, parameters.data
    with findings.at("data.overlap", "data.overlap: "):
        _, drop = row_selection.resolve_overlap(stats, rows, data.overlap)
        rows = rows | {"train": ("train", np.delete(rows["train"][1], drop))}
    with findings.named("data.subset"):
        rows, _ = row_selection.draw_subsets(stats, rows, data)
    sizes = {name: len(chosen) for name, (_, chosen) in rows.items()}
    scored = "validation" in rows and stats[rows["validation"][0]].labelled
    if stats["train"].labelled and not scored:
        for name in rules.users_of_validation(p):
            findings.add(
                name,
                "needs a validation split with labels: name one under data.files, or let "
                "data.split.validation cut one",
            )
    texts = []
    for name, (origin, _) in rows.items():
        notes = f" (cut from {origin})" if origin != name else ""
        notes += "" if stats[origin].labelled else " (no labels: predicted, never scored)"
        texts.append(f"{name} {sizes[name]:,} rows{notes}")
    findings.facts["data"] = ", ".join(texts)
    check_steps(parameters, sizes["train"], findings)


def check_steps(parameters: Params, num_rows: int, findings: Findings) -> None:
    """Count the steps, and note an average of more evaluations than there will be."""
    p, augment = parameters.train, parameters.tokenize.augment
    rate = sum(method.rate for method in augment.methods.values()) if augment else 0
    steps = -(-round(num_rows * (1 + rate)) // p.batch_size)
    in_windows = parameters.tokenize.overflow == "window" or parameters.task.name in WINDOWED
    about = "about " if augment or p.resampling or in_windows else ""
    every = steps if p.evaluate_every == "epoch" else p.evaluate_every
    made = math.ceil(steps * p.epochs / every)
    wanted = p.weight_averaging.count if p.weight_averaging else None
    if wanted and wanted > made and not about:
        text = f"count is {wanted}, but there are {made} evaluations; see train.evaluate_every"
        findings.add("train.weight_averaging", text)
    total = steps * p.epochs * (p.model_soup_size or 1)
    findings.facts["steps"] = f"{about}{steps:,} an epoch, {about}{total:,.0f} in all"
